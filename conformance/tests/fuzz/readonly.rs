//! Keeps junk paths from being made on the machine's disk.

use std::{fs, path::Path};

use nix::{
    mount::{MsFlags, mount},
    sys::statvfs::{FsFlags, statvfs},
};

/// What a sandbox has for itself, and where plugins have to write to the kernel.
const OWN: [&str; 5] = ["/run", "/var/lib", "/proc", "/sys", "/dev"];

/// Makes the rest of the calling thread's file systems read-only.
pub fn protect_the_machine() {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    for point in points.filter(|point| !OWN.iter().any(|own| point.starts_with(own))) {
        // A mount that another one hides cannot be reached, and need not be.
        let done = remount(point);
        assert!(done.is_ok() || point != Path::new("/"), "make / read-only: {done:?}");
    }
}

fn remount(point: &Path) -> nix::Result<()> {
    let present = statvfs(point)?.flags();
    // What came from outside of the user namespace must be named again.
    let kept = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = kept.iter().filter(|(flag, _)| present.contains(*flag)).map(|(_, flag)| *flag);
    let flags = kept.fold(MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, MsFlags::union);
    mount(None::<&str>, point, None::<&str>, flags, None::<&str>)
}
