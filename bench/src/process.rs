//! What the kernel says of a process: memory and CPU time.

use std::{
    fs,
    time::{Duration, Instant},
};

/// A field of `/proc/PID/status` in bytes, such as `VmRSS` and `VmHWM`.
fn status(pid: u32, field: &str) -> usize {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    kilobytes(&text, field).unwrap_or_else(|| panic!("no {field} in the status of {pid}"))
}

fn kilobytes(text: &str, field: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib * 1024)
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> usize {
    status(pid, "VmRSS")
}

/// The most that was ever resident, in bytes.
pub fn peak(pid: u32) -> usize {
    status(pid, "VmHWM")
}

/// The peak counts from now on.
pub fn reset_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// Memory that the kernel of this machine holds in its caches of objects, sockets among them.
pub fn kernel_objects() -> usize {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    kilobytes(&text, "Slab").unwrap()
}

/// CPU time since the start, in user mode and in the kernel. Steps are of 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// In user mode.
    pub user: Duration,
    /// In the kernel, on behalf of the process.
    pub system: Duration,
}

impl Cpu {
    /// That of a process, all its threads together.
    pub fn of(pid: u32) -> Self {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The name, in brackets, may hold anything.
        let (_, fields) = text.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |i: usize| Duration::from_millis(fields[i].parse::<u64>().unwrap() * 10);
        Self { user: ticks(11), system: ticks(12) }
    }

    /// What was used since an earlier look.
    pub fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }

    /// Both sorts together.
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

impl std::ops::AddAssign for Cpu {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
    }
}

/// Waits until a process is idle and its memory stays the same for half a second. One that never is
/// (with 18,000 timers of its own, say) has ten seconds.
pub async fn settled(pid: u32) {
    let started = Instant::now();
    let mut last = (Cpu::of(pid), resident(pid));
    let mut same = 0;
    while same < 5 && started.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = (Cpu::of(pid), resident(pid));
        let is_idle = now.0.since(last.0).total() < Duration::from_millis(20);
        same = if is_idle && now.1 == last.1 { same + 1 } else { 0 };
        last = now;
    }
}
