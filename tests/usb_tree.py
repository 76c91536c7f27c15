"""A false /sys and /dev with USB serial adapters, whose device nodes lead to simulated ports."""

from pathlib import Path

from drivers.ports import PortFinder


class UsbTree:
    """Adapters that can be plugged in and pulled, under whatever name the kernel would give them."""

    def __init__(self, folder: Path) -> None:
        self._sys, self._dev = folder / "sys", folder / "dev"
        (self._sys / "class" / "tty").mkdir(parents=True)
        self._dev.mkdir()
        (self._sys / "class" / "tty" / "tty0").mkdir()  # a console: no device behind it
        self.finder = PortFinder(self._sys, self._dev)

    def plug(
        self,
        name: str,
        port: str = "/dev/null",
        *,
        path: str = "1-1.2",
        id: str = "1a86:7523",  # noqa: A002
        serial: str = "",
        interface: int = 0,
        product: str = "USB Serial",
    ) -> Path:
        """Plug one in as ``name``; returns its device node, which leads to ``port``."""
        usb = self._sys / "devices" / "pci0" / "usb1" / path
        device = usb / f"{path}:1.{interface}" / name
        device.mkdir(parents=True)
        vendor, product_id = id.split(":")
        for file, text in (
            (usb / "idVendor", vendor),
            (usb / "idProduct", product_id),
            (usb / "product", product),
            (device.parent / "bInterfaceNumber", f"{interface:02x}"),
        ):
            file.write_text(f"{text}\n")
        if serial:
            (usb / "serial").write_text(f"{serial}\n")
        entry = self._sys / "class" / "tty" / name
        entry.mkdir()
        (entry / "device").symlink_to(device)
        node = self._dev / name
        node.symlink_to(port)
        return node

    def pull(self, name: str) -> None:
        """Pull it out: node and class entry vanish."""
        (self._dev / name).unlink()
        entry = self._sys / "class" / "tty" / name
        (entry / "device").unlink()
        entry.rmdir()
