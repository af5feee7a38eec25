"""What MicroPython's build freezes into a firmware: this folder as the package that it is.

    make -C ports/stm32 BOARD=PYBV11 FROZEN_MANIFEST=.../firmware_bridge/manifest.py

It is read by MicroPython's build, and by nothing of ours; a board has no use for it.
"""

package("firmware_bridge", base_path="..", opt=3)  # type: ignore[name-defined]  # noqa: F821
