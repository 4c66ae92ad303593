//! System calls by number: their names, and which of them can fail for want of memory, space or luck.

use nix::libc;

/// What a system call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Sockets: of a plugin, netlink.
    Socket,
    /// Files, directories, pipes, mounts, namespaces.
    File,
    /// No error is injected here.
    ///
    /// `close` releases the descriptor whatever it returns: skipping it would do what no kernel does. Without memory, signals
    /// and locks between threads a language's runtime aborts before the plugin is asked. `clone`, `execve`, `wait4` and `exit`
    /// are processes: killing covers what is left without them.
    Other,
}

macro_rules! table {
    ($($class:ident: $($number:ident $name:ident),+;)+) => {
        &[$($((libc::$number, stringify!($name), Class::$class)),+),+]
    };
}

/// What every architecture has.
const COMMON: &[(libc::c_long, &str, Class)] = table! {
    Socket: SYS_accept accept, SYS_accept4 accept4, SYS_bind bind, SYS_connect connect, SYS_getpeername getpeername,
        SYS_getsockname getsockname, SYS_getsockopt getsockopt, SYS_listen listen, SYS_recvfrom recvfrom,
        SYS_recvmmsg recvmmsg, SYS_recvmsg recvmsg, SYS_sendmmsg sendmmsg, SYS_sendmsg sendmsg, SYS_sendto sendto,
        SYS_setsockopt setsockopt, SYS_shutdown shutdown, SYS_socket socket, SYS_socketpair socketpair;
    File: SYS_chdir chdir, SYS_copy_file_range copy_file_range, SYS_dup dup, SYS_dup3 dup3,
        SYS_epoll_create1 epoll_create1, SYS_epoll_ctl epoll_ctl, SYS_epoll_pwait epoll_pwait, SYS_eventfd2 eventfd2,
        SYS_faccessat faccessat, SYS_faccessat2 faccessat2, SYS_fallocate fallocate, SYS_fchdir fchdir,
        SYS_fchmod fchmod, SYS_fchmodat fchmodat, SYS_fchown fchown, SYS_fchownat fchownat, SYS_fcntl fcntl,
        SYS_fdatasync fdatasync, SYS_flock flock, SYS_fstat fstat, SYS_fstatfs fstatfs, SYS_fsync fsync,
        SYS_ftruncate ftruncate, SYS_getcwd getcwd, SYS_getdents64 getdents64, SYS_ioctl ioctl, SYS_linkat linkat,
        SYS_lseek lseek, SYS_memfd_create memfd_create, SYS_mkdirat mkdirat, SYS_mknodat mknodat, SYS_mount mount,
        SYS_openat openat, SYS_openat2 openat2, SYS_pipe2 pipe2, SYS_ppoll ppoll, SYS_pread64 pread64,
        SYS_preadv preadv, SYS_pselect6 pselect6, SYS_pwrite64 pwrite64, SYS_pwritev pwritev, SYS_read read,
        SYS_readlinkat readlinkat, SYS_readv readv, SYS_renameat2 renameat2, SYS_sendfile sendfile, SYS_setns setns,
        SYS_splice splice, SYS_statfs statfs, SYS_statx statx, SYS_symlinkat symlinkat, SYS_sync sync,
        SYS_truncate truncate, SYS_umount2 umount2, SYS_unlinkat unlinkat, SYS_unshare unshare,
        SYS_utimensat utimensat, SYS_write write, SYS_writev writev;
    Other: SYS_brk brk, SYS_clock_nanosleep clock_nanosleep, SYS_clone clone, SYS_clone3 clone3, SYS_close close,
        SYS_close_range close_range, SYS_execve execve, SYS_exit exit, SYS_exit_group exit_group, SYS_futex futex,
        SYS_getpid getpid, SYS_getrandom getrandom, SYS_gettid gettid, SYS_kill kill, SYS_madvise madvise, SYS_mmap mmap,
        SYS_mprotect mprotect, SYS_mremap mremap, SYS_munmap munmap, SYS_nanosleep nanosleep,
        SYS_pidfd_open pidfd_open, SYS_prctl prctl, SYS_prlimit64 prlimit64, SYS_restart_syscall restart_syscall,
        SYS_rseq rseq, SYS_rt_sigaction rt_sigaction, SYS_rt_sigprocmask rt_sigprocmask,
        SYS_rt_sigreturn rt_sigreturn, SYS_sched_getaffinity sched_getaffinity, SYS_sched_yield sched_yield,
        SYS_set_robust_list set_robust_list, SYS_set_tid_address set_tid_address, SYS_sigaltstack sigaltstack,
        SYS_tgkill tgkill, SYS_uname uname, SYS_wait4 wait4, SYS_waitid waitid;
};

/// Older forms, which newer architectures lack.
#[cfg(target_arch = "x86_64")]
const OLDER: &[(libc::c_long, &str, Class)] = table! {
    File: SYS_access access, SYS_chmod chmod, SYS_chown chown, SYS_creat creat, SYS_dup2 dup2,
        SYS_epoll_create epoll_create, SYS_epoll_wait epoll_wait, SYS_getdents getdents, SYS_lchown lchown, SYS_link link,
        SYS_lstat lstat, SYS_mkdir mkdir, SYS_mknod mknod, SYS_newfstatat newfstatat, SYS_open open, SYS_pipe pipe,
        SYS_poll poll, SYS_readlink readlink, SYS_rename rename, SYS_renameat renameat, SYS_rmdir rmdir,
        SYS_select select, SYS_stat stat, SYS_symlink symlink, SYS_unlink unlink, SYS_utimes utimes;
    Other: SYS_arch_prctl arch_prctl, SYS_fork fork, SYS_vfork vfork;
};

/// Older forms, which this architecture lacks.
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[(libc::c_long, &str, Class)] = &[];

/// What is known of the system call of this number.
pub fn find(number: libc::c_long) -> Option<(&'static str, Class)> {
    let known = COMMON.iter().chain(OLDER).find(|(known, _, _)| *known == number);
    known.map(|(_, name, class)| (*name, *class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_number_has_one_name_and_a_name_one_number() {
        let all: Vec<_> = COMMON.iter().chain(OLDER).collect();
        assert_eq!(all.iter().map(|(number, _, _)| number).collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|(_, name, _)| name).collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn calls_are_known_by_number() {
        assert_eq!(find(libc::SYS_sendto), Some(("sendto", Class::Socket)));
        assert_eq!(find(libc::SYS_openat), Some(("openat", Class::File)));
        assert_eq!(find(libc::SYS_close), Some(("close", Class::Other)));
        assert_eq!(find(-1), None);
    }
}
