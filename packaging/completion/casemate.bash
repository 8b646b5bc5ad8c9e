# bash completion for casemate. Made from spec/ by tools/gen.py; do not edit.
_casemate() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words= i command= operands=
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in -*) ;; *) words+=${words:+ }${COMP_WORDS[i]} ;; esac
    done
    case $previous in
    --server) :; return ;;
    --socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --token-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --cacert) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --fingerprint) :; return ;;
    --credential) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --address) :; return ;;
    --port) :; return ;;
    --mode) COMPREPLY=($(compgen -W 'standard perimeter outbound' -- "$current")); return ;;
    --computer) _casemate_names computer list; return ;;
    --group) _casemate_names group list; return ;;
    --member) :; return ;;
    --exclude) :; return ;;
    --exclude-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --level) :; return ;;
    --add-member) :; return ;;
    --remove-member) :; return ;;
    --add-exclude) :; return ;;
    --remove-exclude) :; return ;;
    --one-file-system) COMPREPLY=($(compgen -W 'yes no' -- "$current")); return ;;
    --exclude-caches) COMPREPLY=($(compgen -W 'yes no' -- "$current")); return ;;
    --source) _casemate_names source list; return ;;
    --to) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --existing) COMPREPLY=($(compgen -W 'copy skip overwrite' -- "$current")); return ;;
    --security) COMPREPLY=($(compgen -W 'restore inherit' -- "$current")); return ;;
    --state) COMPREPLY=($(compgen -W 'queued running done partial failed cancelled interrupted' -- "$current")); return ;;
    --kind) COMPREPLY=($(compgen -W 'backup restore verify gc' -- "$current")); return ;;
    --dir) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --name) :; return ;;
    --key) COMPREPLY=($(compgen -W 'ec rsa' -- "$current")); return ;;
    --days) :; return ;;
    --output) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --alt-name) :; return ;;
    --certificate) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --pkcs12) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --password-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --anchors) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --crl) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --anchor-thumbprint) :; return ;;
    --role) COMPREPLY=($(compgen -W 'read admin' -- "$current")); return ;;
    esac
    case $words in
    'status'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'computer list'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'computer show'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='computer list' ;;
    'computer attach'*) command='--credential --address --port --mode --allow-weak-key --what-if --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'computer remove'*) command='--what-if --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='computer list' ;;
    'computer refresh'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='computer list' ;;
    'source list'*) command='--computer --group --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'group list'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'group show'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='group list' ;;
    'group create'*) command='--member --exclude --exclude-file --one-file-system --exclude-caches --level --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'group modify'*) command='--add-member --remove-member --add-exclude --remove-exclude --one-file-system --exclude-caches --level --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='group list' ;;
    'group remove'*) command='--what-if --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='group list' ;;
    'backup'*) command='--wait --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='group list' ;;
    'point list'*) command='--group --computer --source --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'point show'*) command='--group --computer --source --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='point list' ;;
    'point delete'*) command='--group --computer --source --what-if --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='point list' ;;
    'ls'*) command='--recursive --group --computer --source --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='point list' ;;
    'find'*) command='--group --computer --source --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'cat'*) command='--group --computer --source --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='point list' ;;
    'diff'*) command='--group --computer --source --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='point list' ;;
    'restore'*) command='--to --original --computer --existing --security --group --source --wait --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='point list' ;;
    'verify'*) command='--read-data --wait --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'gc'*) command='--what-if --wait --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'job list'*) command='--state --kind --group --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'job show'*) command='--wait --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='job list' ;;
    'job cancel'*) command='--wait --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='job list' ;;
    'ca init'*) command='--dir --name --key --days --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'ca issue'*) command='--dir --output --alt-name --key --days --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'ca renew'*) command='--dir --output --days --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'ca revoke'*) command='--dir --days --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'ca crl'*) command='--dir --output --days --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'ca list'*) command='--dir --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'credentials show'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'credentials configure'*) command='--certificate --key --pkcs12 --password-file --anchors --crl --anchor-thumbprint --output --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'credentials regenerate'*) command='--output --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'credentials crl'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'doctor'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='computer list' ;;
    'token list'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'token create'*) command='--role --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'token remove'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    'version'*) command='--json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help' operands='' ;;
    esac
    if [[ -z $command ]]; then
        local tree=' status computer source group backup point ls find cat diff restore verify gc job ca credentials doctor token version '
        case $words in
        'computer'*) tree='list show attach remove refresh' ;;
        'source'*) tree='list' ;;
        'group'*) tree='list show create modify remove' ;;
        'point'*) tree='list show delete' ;;
        'job'*) tree='list show cancel' ;;
        'ca'*) tree='init issue renew revoke crl list' ;;
        'credentials'*) tree='show configure regenerate crl' ;;
        'token'*) tree='list create remove' ;;
        esac
        COMPREPLY=($(compgen -W "$tree --json --quiet --verbose --no-progress --server --socket --token-file --cacert --fingerprint --help --version" -- "$current"))
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$command" -- "$current"))
    elif [[ -n $operands ]]; then
        _casemate_names $operands
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}
_casemate_names() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$(casemate "$@" --quiet 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _casemate casemate
_casemated() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words= i command= operands=
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in -*) ;; *) words+=${words:+ }${COMP_WORDS[i]} ;; esac
    done
    case $previous in
    --config) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --state) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --store) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --name) :; return ;;
    --listen) :; return ;;
    --port) :; return ;;
    --socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --socket-user) :; return ;;
    --rest-listen) :; return ;;
    --rest-port) :; return ;;
    --revocation) COMPREPLY=($(compgen -W 'hard soft' -- "$current")); return ;;
    --trash-days) :; return ;;
    --jobs) :; return ;;
    --pid-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case $words in
    'run'*) command='--listen --port --socket --socket-user --rest-listen --rest-port --revocation --trash-days --jobs --pid-file --verbose --config --state --store --name --help' operands='' ;;
    'rebuild'*) command='--config --state --store --name --help' operands='' ;;
    'config'*) command='--config --state --store --name --help' operands='' ;;
    esac
    if [[ -z $command ]]; then
        local tree=' run rebuild config '
        case $words in
        esac
        COMPREPLY=($(compgen -W "$tree --config --state --store --name --help --version" -- "$current"))
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$command" -- "$current"))
    elif [[ -n $operands ]]; then
        _casemated_names $operands
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}
_casemated_names() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$(casemate "$@" --quiet 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _casemated casemated
_casemate_agent() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words= i command= operands=
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in -*) ;; *) words+=${words:+ }${COMP_WORDS[i]} ;; esac
    done
    case $previous in
    --config) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --state) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --policy) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --listen) :; return ;;
    --port) :; return ;;
    --threads) :; return ;;
    --pid-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --credential) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --output) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --thumbprint) :; return ;;
    --certificate) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --key) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --password-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --anchors) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --crl) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --name) :; return ;;
    esac
    case $words in
    'run'*) command='--listen --port --threads --pid-file --config --state --policy --help' operands='' ;;
    'set-server'*) command='--credential --output --thumbprint --certificate --key --password-file --anchors --crl --name --port --allow-weak-key --config --state --policy --help' operands='' ;;
    'policy check'*) command='--json --config --state --policy --help' operands='' ;;
    'config'*) command='--config --state --policy --help' operands='' ;;
    esac
    if [[ -z $command ]]; then
        local tree=' run set-server policy config '
        case $words in
        'policy'*) tree='check' ;;
        esac
        COMPREPLY=($(compgen -W "$tree --config --state --policy --help --version" -- "$current"))
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$command" -- "$current"))
    elif [[ -n $operands ]]; then
        _casemate_agent_names $operands
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}
_casemate_agent_names() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$(casemate "$@" --quiet 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _casemate_agent casemate-agent
