"""``python -m pixelwise``, for launchers such as torchrun."""

from pixelwise.cli import main

if __name__ == "__main__":
    main()
