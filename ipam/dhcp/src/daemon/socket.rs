//! The socket that plugins call: made here, or handed over by systemd.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, ErrorKind},
    os::{
        fd::AsFd,
        unix::{
            fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use cni::{Code, Error, Result};
use listenfd::ListenFd;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signalfd::SignalFd,
        stat::{Mode, umask},
    },
};

use crate::store::Store;

use super::flags::Flags;

/// How long to rest when no connection can be taken for lack of something.
const REST: Duration = Duration::from_millis(100);

/// A daemon that can be called.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    store: Store,
    pidfile: Option<PathBuf>,
    /// Whether the socket is ours to take away.
    own: bool,
    _lock: File,
}

impl Listening {
    /// Listens, and says so in the pidfile. Code 101 if there is a daemon already.
    pub fn begin(flags: &Flags) -> Result<Self> {
        // Whoever may connect may have addresses asked for in any container.
        umask(Mode::from_bits_truncate(0o077));
        let mut handed = ListenFd::from_env();
        let (listener, path, store, lock, own) = match handed.len() {
            0 => {
                let path = flags.socket();
                make_parent(&path)?;
                let store = Store::beside(&path);
                let lock = store.lock()?;
                remove_stale(&path)?;
                let listener = UnixListener::bind(&path).map_err(failed("listen on", &path))?;
                (listener, path, store, lock, true)
            }
            1 => {
                let listener = handed.take_unix_listener(0).ok().flatten();
                let listener =
                    listener.ok_or_else(|| wrong("the descriptor that systemd hands over is no unix socket"))?;
                let path = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
                let path = path.ok_or_else(|| wrong("the socket that systemd hands over has no path"))?;
                let store = Store::beside(&path);
                let lock = store.lock()?;
                (listener, path, store, lock, false)
            }
            more => return Err(wrong(&format!("systemd hands over {more} sockets, there may be one"))),
        };
        listener.set_nonblocking(true).map_err(failed("listen on", &path))?;
        let listening = Self { listener, path, store, pidfile: flags.pidfile.clone(), own, _lock: lock };
        listening.write_pid().inspect_err(|_| listening.remove_socket())?;
        Ok(listening)
    }

    /// Where it can be called.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The records of this daemon.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes connections until a signal comes.
    pub fn accept_until(&self, signals: &SignalFd, serve: impl Fn(UnixStream)) -> Result<()> {
        loop {
            let mut fds = [
                PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(failed("listen on", &self.path)(errno.into())),
                Ok(_) => {}
            }
            if fds.get(1).and_then(PollFd::any) == Some(true) {
                return Ok(());
            }
            match self.listener.accept() {
                Ok((stream, _)) => match stream.set_nonblocking(false) {
                    Ok(()) => serve(stream),
                    Err(error) => log::error!("take a connection: {error}"),
                },
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => {
                    log::error!("take a connection: {error}");
                    thread::sleep(REST);
                }
            }
        }
    }

    /// Takes away the socket, unless it is systemd's, and the pidfile.
    pub fn end(&self) {
        self.remove_socket();
        if let Some(path) = &self.pidfile {
            let _ = fs::remove_file(path);
        }
    }

    fn remove_socket(&self) {
        if self.own {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn write_pid(&self) -> Result<()> {
        let Some(path) = &self.pidfile else { return Ok(()) };
        let write = || {
            fs::write(path, process::id().to_string())?;
            // No secret, unlike what else is made here.
            fs::set_permissions(path, Permissions::from_mode(0o644))
        };
        write().map_err(failed("write", path))
    }
}

/// Removes the socket of a daemon that was killed. One that answers is not stolen, nor is what is no socket.
fn remove_stale(path: &Path) -> Result<()> {
    let taken = |why: &str| Err(Error::new(Code::InUse, format!("listen on {}: {why}", path.display())));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(about) if !about.file_type().is_socket() => return taken("there is something else"),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed("remove", path))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("call", path)(error)),
        Ok(_) => taken("a daemon answers there"),
    }
}

fn make_parent(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed("create directory", parent))
}

fn wrong(why: &str) -> Error {
    Error::new(Code::InvalidEnvironment, format!("listen: {why}"))
}

fn failed(what: &str, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let what = format!("{what} {}", path.display());
    move |error| Error::new(Code::Io, format!("{what}: {error}"))
}
