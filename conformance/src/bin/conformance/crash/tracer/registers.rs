//! The registers of a process that is stopped where it enters or leaves a system call.

use nix::errno::Errno;
use nix::libc::c_long;
use nix::unistd::Pid;

pub use machine::{fail, request, skip};

/// Whether a system call can be made to fail on this machine.
pub const CAN_FAIL: bool = cfg!(target_arch = "x86_64");

/// What a process asks the kernel for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number of the system call.
    pub number: c_long,
    /// Its first argument: for most the file descriptor.
    pub first: u64,
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::{Errno, Pid, Request};
    use nix::Result;
    use nix::sys::ptrace::{getregs, setregs};

    /// No system call has this number: the kernel does nothing, and stops again where it would leave the call.
    const NONE: u64 = u64::MAX;

    /// The system call that the process is about to enter.
    pub fn request(pid: Pid) -> Result<Option<Request>> {
        let registers = getregs(pid)?;
        Ok(Some(Request { number: registers.orig_rax.cast_signed(), first: registers.rdi }))
    }

    /// Has the kernel not execute the call that the process is about to enter.
    pub fn skip(pid: Pid) -> Result<()> {
        let mut registers = getregs(pid)?;
        registers.orig_rax = NONE;
        setregs(pid, registers)
    }

    /// Has the call that the process is about to leave return an error.
    pub fn fail(pid: Pid, errno: Errno) -> Result<()> {
        let mut registers = getregs(pid)?;
        registers.rax = i64::from(-(errno as i32)).cast_unsigned();
        setregs(pid, registers)
    }
}

/// Where only the number is known. To replace it needs a register set (`NT_ARM_SYSTEM_CALL`) that nix cannot write.
#[cfg(target_arch = "aarch64")]
mod machine {
    use super::{Errno, Pid, Request};
    use nix::Result;
    use nix::sys::ptrace::getregs;

    /// The system call that the process is about to enter.
    pub fn request(pid: Pid) -> Result<Option<Request>> {
        let registers = getregs(pid)?.regs;
        let [first, _, _, _, _, _, _, _, number, ..] = registers;
        Ok(Some(Request { number: number.cast_signed(), first }))
    }

    /// Not on this machine.
    pub fn skip(_: Pid) -> Result<()> {
        Err(Errno::ENOTSUP)
    }

    /// Not on this machine.
    pub fn fail(_: Pid, _: Errno) -> Result<()> {
        Err(Errno::ENOTSUP)
    }
}

/// Where the registers are unknown: system calls can be counted, which is enough to kill at one of them.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod machine {
    use super::{Errno, Pid, Request};
    use nix::Result;

    /// Not known on this machine.
    pub fn request(_: Pid) -> Result<Option<Request>> {
        Ok(None)
    }

    /// Not on this machine.
    pub fn skip(_: Pid) -> Result<()> {
        Err(Errno::ENOTSUP)
    }

    /// Not on this machine.
    pub fn fail(_: Pid, _: Errno) -> Result<()> {
        Err(Errno::ENOTSUP)
    }
}
