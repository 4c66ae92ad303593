//! Starting a program.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::Path,
    process::{Command, Output},
};

use nix::{
    errno::Errno,
    libc::MFD_NOEXEC_SEAL,
    sys::memfd::{MFdFlags, memfd_create},
};

/// Runs a program to its end, in English, with `input` as its standard input. An absolute path, or a name to look for in PATH.
///
/// Its standard streams are files in memory. So nothing can go wrong with them while it runs: an error means that it has not run,
/// or has ended, and what is undone then stays undone.
///
/// # Errors
/// Also if it succeeds and has not read all: programs take an error of reading for the end of their input, and do what
/// they were told till then.
pub fn run_to_end(program: &Path, arguments: &[&str], input: &str) -> io::Result<Output> {
    let [mut stdin, mut stdout, mut stderr] = [file()?, file()?, file()?];
    stdin.write_all(input.as_bytes())?;
    stdin.rewind()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "iptables has no other interface that both of its variants share, and nft's rules may have any words"
    )]
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    command.stdin(stdin.try_clone()?).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let status = command.status()?;
    let read = stdin.stream_position()?;
    if status.success() && read < input.len() as u64 {
        return Err(io::Error::other(format!("it has read {read} of {} bytes", input.len())));
    }
    Ok(Output { status, stdout: content(&mut stdout)?, stderr: content(&mut stderr)? })
}

/// `memfd_create(2)`. Hardened hosts refuse files that could be executed (`vm.memfd_noexec`), kernels before 6.3 do not know the flag.
fn file() -> io::Result<File> {
    let create = |flags| memfd_create(c"mooring", MFdFlags::MFD_CLOEXEC | flags);
    let file = create(MFdFlags::from_bits_retain(MFD_NOEXEC_SEAL)).or_else(|error| match error {
        Errno::EINVAL => create(MFdFlags::empty()),
        error => Err(error),
    });
    Ok(file?.into())
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_comes_out_again_with_the_errors_beside_it() {
        let more_than_a_pipe_holds = "x".repeat(1 << 20);
        let output = run_to_end(Path::new("sh"), &["-c", "cat; echo no >&2; exit 3"], &more_than_a_pipe_holds).unwrap();
        assert_eq!((output.stdout.len(), output.stderr.as_slice()), (1 << 20, b"no\n".as_slice()));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn program_that_succeeds_without_its_input_has_failed() {
        let error = run_to_end(Path::new("/bin/true"), &[], "*nat").unwrap_err();
        assert_eq!(error.to_string(), "it has read 0 of 4 bytes");
        let output = run_to_end(Path::new("/bin/false"), &[], "*nat").unwrap();
        assert!(!output.status.success(), "what a program that failed says is lost");
    }
}
