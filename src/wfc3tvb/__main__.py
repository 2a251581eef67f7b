"""``python -m wfc3tvb``."""

from wfc3tvb.cli import main

if __name__ == "__main__":
    main()
