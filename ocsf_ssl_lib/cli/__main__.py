"""``python -m ocsf_ssl_lib.cli``, which torchrun needs."""

from ocsf_ssl_lib.cli import main

if __name__ == "__main__":
    main()
