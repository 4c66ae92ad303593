//! Real programs, killed and failed by the real kernel.

use super::*;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// A script as a program of its own: its interpreter's start is part of the count.
fn script(dir: &Path, text: &str) -> Program {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("script");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path_variable = std::env::var_os("PATH").unwrap();
    let env = [("PATH".into(), path_variable), ("D".into(), dir.into())].into();
    Program { path, env, stdin: b"input".to_vec(), limit: LIMIT }
}

fn run(program: &Program, fault: Fault, point: usize) -> Traced {
    trace(program, Some(Injection { fault, point })).unwrap()
}

fn survey(program: &Program) -> Traced {
    trace(program, None).unwrap()
}

/// The point of the `nth` call that counts for the fault and is called so.
fn point(traced: &Traced, fault: Fault, name: &str, nth: usize) -> usize {
    let counting = traced.calls.iter().filter(|call| fault.counts(call));
    let named = counting.zip(1..).filter(|(call, _)| call.to_string().starts_with(name));
    named.map(|(_, point)| point).nth(nth).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// How many points there are for a fault.
fn points(traced: &Traced, fault: Fault) -> usize {
    traced.calls.iter().filter(|call| fault.counts(call)).count()
}

fn names(traced: &Traced) -> Vec<String> {
    traced.calls.iter().map(ToString::to_string).collect()
}

/// What a script has made so far.
fn made(dir: &TempDir) -> String {
    ["a", "b", "c"].into_iter().filter(|name| dir.path().join(name).exists()).collect()
}

const THREE_FILES: &str = r#": >"$D/a"; : >"$D/b"; : >"$D/c""#;

#[test]
fn an_untouched_run_is_as_without_a_tracer() {
    let dir = TempDir::new().unwrap();
    let traced = survey(&script(dir.path(), "cat; echo bad >&2; exit 3"));
    assert_eq!(traced.status.code(), Some(3));
    assert_eq!((text(&traced.stdout), text(&traced.stderr)), ("input", "bad\n"));
    assert!(traced.hit.is_none() && !traced.timed_out);
    assert!(points(&traced, Fault::Kill) > points(&traced, Fault::Error(Errno::EIO)));
    let cat: Vec<_> = traced.calls.iter().filter(|call| !call.own).map(ToString::to_string).collect();
    // A program's name is its file's: `coreutils` where one file is all of them.
    assert!(cat.iter().any(|call| call.starts_with("write (file) of ")), "{cat:?}");
    assert!(traced.calls.iter().any(|call| call.own));
}

#[test]
fn a_kill_leaves_exactly_what_was_done_before() {
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), THREE_FILES);
    let all = survey(&program);
    let mut seen = vec![String::new()];
    for point in 1..=all.calls.len() {
        for name in ["a", "b", "c"] {
            let _ = fs::remove_file(dir.path().join(name));
        }
        let traced = run(&program, Fault::Kill, point);
        assert_eq!(traced.status.signal(), Some(9), "{point}");
        assert_eq!(names(&traced), names(&all)[..point], "one thread: each run is the same");
        assert_eq!(traced.hit.as_ref(), traced.calls.last());
        if seen.last() != Some(&made(&dir)) {
            // Until its call is the next to be killed, a file is not there.
            assert!(all.calls[point - 2].to_string().starts_with("openat"), "{point}: {}", all.calls[point - 2]);
            seen.push(made(&dir));
        }
    }
    assert_eq!(seen, ["", "a", "ab", "abc"]);
}

#[test]
fn a_point_beyond_the_end_is_not_hit() {
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), THREE_FILES);
    let points = points(&survey(&program), Fault::Kill);
    assert!(run(&program, Fault::Kill, points).hit.is_some());
    let traced = run(&program, Fault::Kill, points + 1);
    assert!(traced.hit.is_none() && traced.status.success());
    assert_eq!(made(&dir), "abc");
}

#[test]
fn a_kill_reaches_the_children() {
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), r#"sh -c 'sleep 0.2; : >"$D/b"' & wait; : >"$D/c""#);
    let asleep = point(&survey(&program), Fault::Kill, "clock_nanosleep", 0);
    let _ = (fs::remove_file(dir.path().join("b")), fs::remove_file(dir.path().join("c")));
    let traced = run(&program, Fault::Kill, asleep);
    assert_eq!(traced.status.signal(), Some(9));
    thread::sleep(Duration::from_millis(500));
    assert_eq!(made(&dir), "");
}

#[test]
fn a_killed_plugin_leaves_its_children_running() {
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), r#"sh -c 'sleep 0.2; : >"$D/b"'; : >"$D/c""#);
    let asleep = point(&survey(&program), Fault::KillPlugin, "clock_nanosleep", 0);
    let _ = (fs::remove_file(dir.path().join("b")), fs::remove_file(dir.path().join("c")));
    let traced = run(&program, Fault::KillPlugin, asleep);
    assert_eq!(traced.status.signal(), Some(9));
    assert_eq!(made(&dir), "b", "the run ends with the last child");
}

#[test]
fn an_error_is_one_calls_alone() {
    if !registers::CAN_FAIL {
        return;
    }
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), "echo one; echo two");
    let fault = Fault::Error(Errno::ENOSPC);
    let traced = run(&program, fault, point(&survey(&program), fault, "write (file)", 0));
    assert_eq!(text(&traced.stdout), "two\n", "the first was not written, the second was");
    assert!(text(&traced.stderr).contains("echo"), "{}", text(&traced.stderr));
    assert!(traced.hit.as_ref().unwrap().prints());
}

#[test]
fn an_error_that_is_retried_is_an_error_once() {
    if !registers::CAN_FAIL {
        return;
    }
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), "read line; echo \"$line\"");
    let fault = Fault::Error(Errno::EINTR);
    let traced = run(&program, fault, point(&survey(&program), fault, "write (file)", 0));
    assert_eq!(text(&traced.stdout), "input\n");
}

#[test]
fn an_error_of_a_child_is_the_childs() {
    if !registers::CAN_FAIL {
        return;
    }
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), "cat; echo $?");
    for (errno, told) in [(Errno::ENOSPC, "No space left on device"), (Errno::EIO, "Input/output error")] {
        let fault = Fault::Error(errno);
        let traced = run(&program, fault, point(&survey(&program), fault, "write (file)", 0));
        assert_eq!(text(&traced.stdout), "1\n");
        assert!(text(&traced.stderr).contains(told), "{}", text(&traced.stderr));
        let hit = traced.hit.as_ref().unwrap();
        assert!(!hit.prints() && !hit.own);
    }
}

#[test]
fn what_comes_before_the_input_is_told_apart() {
    let dir = TempDir::new().unwrap();
    let program = script(dir.path(), "read line; echo done");
    let all = survey(&program);
    assert!(all.asked_for_input());
    let reading = point(&all, Fault::Kill, "read (file)", 0);
    let asked: Vec<_> =
        (1..=all.calls.len()).map(|point| run(&program, Fault::Kill, point).asked_for_input()).collect();
    let first = asked.iter().position(|asked| *asked).unwrap();
    assert!(first > reading && asked[first..].iter().all(|asked| *asked), "{asked:?}");
}

/// A program with threads, which are made by `clone3`, starts others by `vfork`.
fn threads(dir: &Path) -> Program {
    let source = dir.join("threads.rs");
    let text = r#"
        fn main() {
            let all: Vec<_> = (0..4).map(|n| std::thread::spawn(move || {
                for k in 0..20 { std::fs::write(format!("{}/{n}-{k}", std::env::var("D").unwrap()), "x").unwrap(); }
                std::process::Command::new("true").status().unwrap().success()
            })).collect();
            assert!(all.into_iter().all(|thread| thread.join().unwrap()));
            println!("done");
        }
    "#;
    fs::write(&source, text).unwrap();
    let mut program = script(dir, "exec rustc -o \"$D/threads\" \"$D/threads.rs\"");
    program.env.extend(std::env::vars_os());
    program.env.insert("D".into(), dir.into());
    program.path = dir.join("script");
    // Compiled under the tracer: a compiler has threads and starts a linker.
    let compiled = survey(&program);
    assert!(compiled.status.success(), "{}", text_of(&compiled));
    Program { path: dir.join("threads"), ..program }
}

fn text_of(traced: &Traced) -> String {
    String::from_utf8_lossy(&traced.stderr).into_owned()
}

#[test]
fn threads_and_their_children_are_counted_in_one_order() {
    let dir = TempDir::new().unwrap();
    let program = threads(dir.path());
    let all = survey(&program);
    assert_eq!(text(&all.stdout), "done\n");
    let opened = all.calls.iter().filter(|call| call.own && call.to_string().starts_with("openat")).count();
    assert!(opened >= 80, "{opened}");
    let children = all.calls.iter().filter(|call| !call.own && call.to_string().starts_with("exit_group")).count();
    assert_eq!(children, 4);
    let errors = Some(Fault::Error(Errno::ENOMEM)).filter(|_| registers::CAN_FAIL);
    for fault in [Fault::Kill, Fault::KillPlugin].into_iter().chain(errors) {
        let points = points(&all, fault);
        // Threads that wait for each other more or less often make runs of different lengths.
        for point in (1..points * 9 / 10).step_by(points / 40) {
            let traced = run(&program, fault, point);
            assert!(traced.hit.is_some() && !traced.timed_out, "{fault} at {point}: {}", text_of(&traced));
            assert_eq!(matches!(fault, Fault::Error(_)), traced.status.signal() != Some(9), "{fault} at {point}");
        }
    }
}

#[test]
fn a_program_that_hangs_is_killed_at_the_limit() {
    let dir = TempDir::new().unwrap();
    for text in ["sleep 60", "sleep 60 & exit 0", "setsid sleep 60 & exit 0", "kill -STOP $$; sleep 60"] {
        let start = Instant::now();
        let mut program = script(dir.path(), text);
        program.limit = Duration::from_millis(300);
        assert!(survey(&program).timed_out, "{text}");
        assert!(start.elapsed() < Duration::from_secs(10), "{text}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_an_error() {
    let dir = TempDir::new().unwrap();
    let mut program = script(dir.path(), "exit 0");
    fs::write(&program.path, "no program").unwrap();
    fs::set_permissions(&program.path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let error = trace(&program, None).unwrap_err().to_string();
    assert!(error.contains("not started") && error.contains("ermission denied"), "{error}");
    program.path = dir.path().join("missing");
    assert_eq!(trace(&program, None).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn input_and_output_may_be_larger_than_a_pipe() {
    let dir = TempDir::new().unwrap();
    let mut program = script(dir.path(), "cat");
    program.stdin = vec![b'x'; 1 << 20];
    let traced = survey(&program);
    assert!(traced.status.success());
    assert_eq!(traced.stdout, program.stdin);
}

#[test]
fn several_threads_may_trace_at_once() {
    let dirs: Vec<_> = (0..4).map(|_| TempDir::new().unwrap()).collect();
    thread::scope(|scope| {
        for dir in &dirs {
            scope.spawn(|| {
                let program = script(dir.path(), THREE_FILES);
                for point in 1..20 {
                    assert!(run(&program, Fault::Kill, point).hit.is_some());
                }
            });
        }
    });
}
