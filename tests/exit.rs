//! Processes that end while a runtime is alive and has work: each is this test's own program, run again.

#![cfg(all(unix, feature = "cli"))]
#![allow(clippy::unwrap_used, unsafe_code, reason = "a test fails by panicking; exit handlers are the C library's")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use fascine::reference::Suite;
use fascine::runtime::Drive;
use fascine::{Error, ErrorKind, LoadOptions, Options, Runtime};

/// Set in a process that is to end so: `thread` or `manual`, and milliseconds from its first request to its end.
const END: &str = "FASCINE_TEST_END";
/// Where such a process writes which of the runtime's threads are left when it has ended it.
const LEFT: &str = "FASCINE_TEST_LEFT";

/// What runs in such a process; in the test's own it does nothing.
#[test]
fn a_process_that_ends() {
    let Ok(end) = std::env::var(END) else { return };
    let (drive, after) = end.split_once(' ').unwrap();
    let after = Duration::from_millis(after.parse().unwrap());
    let drive = if drive == "manual" { Drive::Manual } else { Drive::Thread };
    // Before there is a runtime, so that it runs after the handler under test and before the driver's.
    // SAFETY: a plain function without arguments that does not unwind.
    assert_eq!(unsafe { libc::atexit(write_left) }, 0);

    let suite = Suite::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zoo"), "squeezenet1_1").unwrap();
    let cache_dir = Path::new(&std::env::var(LEFT).unwrap()).parent().map(Into::into);
    let manual = drive == Drive::Manual;
    let runtime = Runtime::new(Options { drive, cache_dir, ..Options::default() }).unwrap();
    let load = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with(&suite.model, &load).unwrap();
    let submit = move || {
        let mut request = model.request();
        for (name, tensor) in &suite.cases[0].inputs {
            request = request.input(name, tensor.clone())?;
        }
        request.submit()
    };
    if manual {
        let requests: Vec<_> = (0..20).map(|_| submit().unwrap()).collect();
        let until = Instant::now() + after;
        while Instant::now() < until {
            runtime.poll().unwrap();
        }
        std::mem::forget(requests);
    } else {
        std::thread::spawn(move || {
            let error: Error = loop {
                let requests: Result<Vec<_>, _> = (0..20).map(|_| submit()).collect();
                let done = requests.and_then(|requests| requests.into_iter().try_for_each(|one| one.wait().map(drop)));
                if let Err(error) = done {
                    break error;
                }
            };
            // Nobody may hear of it any more; a wrong error ends the process otherwise than the test wants.
            if error.kind() != ErrorKind::Closed {
                eprintln!("{error}");
                std::process::abort();
            }
        });
        std::thread::sleep(after);
    }
    // As a static is: never dropped.
    std::mem::forget(runtime);
    std::process::exit(0);
}

extern "C" fn write_left() {
    let list = || -> String {
        let names = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let names = names.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with("fascine")).collect()
    };
    let mut left = list();
    // The system lists a thread for a moment beyond its end.
    for _ in 0..100 {
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        left = list();
    }
    let _ = std::fs::write(std::env::var(LEFT).unwrap_or_default(), left);
}

fn run(drive: &str, after: u32) {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("left");
    let Output { status, stdout, stderr } = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_ends", "--nocapture"])
        .env(END, format!("{drive} {after}"))
        .env(LEFT, &left)
        // So that there is something to compile.
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{drive}, after {after} ms: {status}\n{said}");
    assert_eq!(std::fs::read_to_string(&left).unwrap(), "", "{drive}, after {after} ms: threads are left\n{said}");
}

#[test]
fn a_runtime_that_is_never_dropped_ends_with_the_process() {
    // In the first compile, among later ones, and with requests on the device.
    for after in [30, 400, 2000] {
        run("thread", after);
    }
}

#[test]
fn a_runtime_that_the_application_drives_ends_with_the_process() {
    for after in [30, 1000] {
        run("manual", after);
    }
}
