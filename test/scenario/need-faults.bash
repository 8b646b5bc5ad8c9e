# Scenarios that plant faults need a build that can: CASEMATE_FAULT_BUILD, configured with -Dfaults=true.
export CASEMATE_FAULT_BUILD=${CASEMATE_FAULT_BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/check-clang}
if [ ! -x "$CASEMATE_FAULT_BUILD/src/prog/casemated/casemated" ]; then
    echo "no build with faults in $CASEMATE_FAULT_BUILD"
    exit 77
fi
