#include "crypto/crypto.h"
#include "door/cli/cli.h"

int main(int argc, char **argv) {
    crypto_start();
    return cli_main(argc, argv);
}
