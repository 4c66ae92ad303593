//! Calls that are killed, as by a runtime's time limit, and what DEL makes of it.
//!
//! Some moments, spread evenly over a call's time. `conformance crash` takes every system call.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::life::{self, Attached};
use crate::stage::Stage;
use std::time::{Duration, Instant};
use testkit::Plugin;

/// How many moments of a call are tried.
const MOMENTS: u32 = 8;

pub const CASES: &[Case] = &[
    Case::once("kill::add", "2.24a", Needs::Config, "DEL cleans up after an ADD that was killed", add),
    Case::once(
        "kill::add_then_netns_gone",
        "2.24a",
        Needs::Config,
        "DEL cleans up after an ADD that was killed together with the container",
        add_then_netns_gone,
    ),
    Case::once("kill::del", "2.24b", Needs::Config, "DEL cleans up after a DEL that was killed", del),
];

/// A kill at a moment of a call.
#[derive(Clone, Copy)]
struct Kill {
    after: Duration,
    /// Whether what the plugin has started is killed as well, as by a cgroup's end, or lives on.
    whole_group: bool,
}

/// Kills that are spread over a call that takes so long.
fn kills(duration: Duration) -> impl Iterator<Item = Kill> {
    (1..=MOMENTS).map(move |moment| Kill { after: duration * moment / (MOMENTS + 1), whole_group: moment % 2 == 0 })
}

impl Kill {
    /// Whether the call was killed: it may be over already. What it has started has ended, too: an ADD of the delegate's that
    /// lives on must not get into the DEL that follows.
    fn hits(self, call: &Plugin) -> bool {
        let after = format!("{:.6}", self.after.as_secs_f64());
        let words = ["timeout", "--signal=KILL", if self.whole_group { "--" } else { "--foreground" }, &after];
        // `timeout` is one of the group.
        matches!(call.clone().under(words).whole_group().run().status.code(), None | Some(137))
    }
}

/// How long a call takes that nobody kills.
fn duration(call: &Plugin) -> Duration {
    let start = Instant::now();
    drop(call.clone().under(["timeout", "60"]).run());
    start.elapsed()
}

fn hit_any(hits: usize) -> Verdict {
    if hits > 0 { Ok(()) } else { Err(Stop::skip("was over before it could be killed, every time")) }
}

fn add(stage: &Stage) -> Verdict {
    let empty = stage.warm_snapshot()?;
    let container = stage.container("c1");
    let before = life::before(stage, &empty);
    let (add, del) = (container.at.call("ADD"), life::without_prev(&container, "DEL"));
    let duration = duration(&add);
    del.run().silence()?;
    let mut hits = 0;
    for kill in kills(duration) {
        hits += usize::from(kill.hits(&add));
        del.run().silence()?;
        let expected = format!("a DEL that cleans up after an ADD that was killed after {:?}", kill.after);
        same(&before, &stage.snapshot(), &expected)?;
    }
    hit_any(hits)?;
    add.run().result()?;
    del.run().silence()
}

fn add_then_netns_gone(stage: &Stage) -> Verdict {
    let first = stage.container("warm-up");
    let duration = duration(&first.at.call("ADD"));
    life::without_prev(&first, "DEL").run().silence()?;
    let empty = stage.snapshot();
    let mut hits = 0;
    for (number, kill) in kills(duration).enumerate() {
        let container = stage.container(&format!("c{number}"));
        hits += usize::from(kill.hits(&container.at.call("ADD")));
        life::lose(stage, &container);
        life::without_prev(&container, "DEL").run().silence()?;
        let expected = format!("a DEL that cleans up after an ADD that was killed after {:?}", kill.after);
        life::cleared(stage, &empty, &expected)?;
    }
    hit_any(hits)
}

fn del(stage: &Stage) -> Verdict {
    let first = Attached::new(stage)?;
    let (add, del) = (first.container.at.call("ADD"), first.call("DEL"));
    let duration = duration(&del);
    let mut hits = 0;
    for kill in kills(duration) {
        add.run().result()?;
        hits += usize::from(kill.hits(&del));
        del.run().silence()?;
        let expected = format!("a DEL that cleans up after a DEL that was killed after {:?}", kill.after);
        same(&first.before, &stage.snapshot(), &expected)?;
    }
    hit_any(hits)
}
