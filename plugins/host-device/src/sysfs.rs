//! What sysfs tells of devices. Read where it is mounted: its `net` directories show the links of one network namespace, which has
//! to be the host's.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// A bus that devices are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// PCI, and what looks like it.
    Pci,
    /// Parts of a device that are devices themselves (Documentation/driver-api/auxiliary_bus.rst).
    Auxiliary,
}

impl Bus {
    /// The directory of a device.
    pub fn dir(self, id: &str) -> PathBuf {
        let devices = match self {
            Self::Pci => "/sys/bus/pci/devices",
            Self::Auxiliary => "/sys/bus/auxiliary/devices",
        };
        Path::new(devices).join(id)
    }

    /// Whether a device is there.
    pub fn has(self, id: &str) -> bool {
        self.dir(id).exists()
    }
}

/// The driver of a PCI device; none may be bound to it.
pub fn driver(pci: &str) -> Option<String> {
    let driver = fs::canonicalize(Bus::Pci.dir(pci).join("driver")).ok()?;
    Some(driver.file_name()?.to_string_lossy().into_owned())
}

/// The first link of a device, by name; none if it has none here.
pub fn link_of(device: &Path) -> io::Result<Option<String>> {
    Ok(names(&device.join("net"))?.into_iter().next())
}

/// The first link of a PCI device. That of a virtual machine's is one directory further down.
pub fn link_of_pci(pci: &str) -> io::Result<Option<String>> {
    let dir = Bus::Pci.dir(pci);
    if let Some(link) = link_of(&dir)? {
        return Ok(Some(link));
    }
    for entry in names(&dir)?.iter().filter(|entry| entry.starts_with("virtio")) {
        if let Some(link) = link_of(&dir.join(entry))? {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// The PCI address by which [`link_of_pci`] finds a link; none if it is not on that bus.
pub fn pci_of(link: &str) -> Option<String> {
    let device = fs::canonicalize(Path::new("/sys/class/net").join(link).join("device")).ok()?;
    let is_virtio = device.file_name()?.to_string_lossy().starts_with("virtio");
    let pci = if is_virtio { device.parent()? } else { &device };
    let id = pci.file_name()?.to_string_lossy();
    Bus::Pci.has(&id).then(|| id.into_owned())
}

/// The names in a directory, sorted; none if there is no directory.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
