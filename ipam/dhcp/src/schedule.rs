//! When an unanswered message is sent again (RFC 2131, section 4.1; RFC 8415, section 15). Pure.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use crate::exchange::Next;

/// Random numbers, so that machines that are started together do not go on asking together.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Seeded by the keys that the standard library takes from the kernel for its hash maps.
    pub fn new() -> Self {
        Self::from_seed(RandomState::new().build_hasher().finish())
    }

    /// The same numbers again for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next one (xorshift64*, G. Marsaglia 2003, S. Vigna 2016).
    pub fn number(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let product = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        u32::try_from(product).unwrap_or_default()
    }

    /// `time`, or up to `deviation` less or more.
    pub fn around(&mut self, time: Duration, deviation: Duration) -> Duration {
        let part = f64::from(self.number()) / f64::from(u32::MAX);
        (time + deviation.mul_f64(2.0 * part)).saturating_sub(deviation)
    }
}

/// How long to wait for an answer, time after time.
#[derive(Debug, Clone)]
pub struct Resend {
    pattern: Pattern,
    random: Random,
    longest: Duration,
    next: u32,
}

/// The first waits, and the one that is doubled from then on, each with how far it may deviate, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    first: &'static [(u64, u64)],
    doubled: (u64, u64),
}

/// Sooner than RFC 2131 has it at first: a port of a bridge may take a moment until it forwards.
const V4: Pattern =
    Pattern { first: &[(500, 100), (1000, 500), (2000, 1000), (2000, 1000), (2000, 1000)], doubled: (4000, 1000) };

/// `SOL_TIMEOUT` and `REQ_TIMEOUT` (RFC 8415, section 7.6).
const V6: Pattern = Pattern { first: &[], doubled: (1000, 100) };

impl Resend {
    /// Waits that become longer, up to `longest`, for DHCPv4.
    pub fn v4(longest: Duration, random: Random) -> Self {
        Self { pattern: V4, random, longest, next: 0 }
    }

    /// The same for DHCPv6.
    pub fn v6(longest: Duration, random: Random) -> Self {
        Self { pattern: V6, random, longest, next: 0 }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let n = self.next;
        self.next = n.saturating_add(1);
        let Pattern { first, doubled } = self.pattern;
        let past = n.saturating_sub(u32::try_from(first.len()).unwrap_or_default()).min(20);
        let first = usize::try_from(n).ok().and_then(|n| first.get(n)).copied();
        let (time, deviation) = first.unwrap_or((doubled.0 << past, doubled.1));
        let longest = self.longest;
        self.random.around(Duration::from_millis(time).min(longest), Duration::from_millis(deviation).min(longest / 4))
    }
}

/// When it is time to say something, again and again until an answer comes or the end. Times are those since the conversation has begun.
#[derive(Debug, Clone)]
pub struct Pace {
    resend: Resend,
    next: Duration,
    last: Duration,
    deadline: Option<Duration>,
    end: Duration,
}

/// Whether it is time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It is. The next time follows after a wait.
    Say,
    /// It is, and the server that was asked has not answered in time: it is time to look for another one.
    SayAnew,
    /// This is to be done meanwhile.
    Rest(Next),
}

impl Pace {
    /// From now on until `end`.
    pub fn new(resend: Resend, end: Duration) -> Self {
        Self { resend, next: Duration::ZERO, last: Duration::ZERO, deadline: None, end }
    }

    /// What it is time for.
    pub fn turn(&mut self, now: Duration) -> Turn {
        if now >= self.end {
            return Turn::Rest(Next::GiveUp);
        }
        let deadline = self.deadline.unwrap_or(self.end);
        let is_late = now >= deadline;
        if now < self.next && !is_late {
            return Turn::Rest(Next::Wait(self.next.min(deadline).min(self.end)));
        }
        (self.last, self.next) = (now, now + self.resend.wait());
        if !is_late {
            return Turn::Say;
        }
        self.deadline = None;
        Turn::SayAnew
    }

    /// A server is asked, from now on, and has so long to answer.
    pub fn ask(&mut self, now: Duration, patience: Duration) {
        self.resend.next = 0;
        (self.deadline, self.next) = (Some(now + patience), now);
    }

    /// It has refused: after a wait it is time to look for another one.
    pub fn retreat(&mut self, now: Duration) {
        (self.deadline, self.next) = (None, now + self.resend.wait());
    }

    /// When something was said last.
    pub fn last(&self) -> Duration {
        self.last
    }
}

/// How patient the daemon is: its flags `-timeout`, `-resendmax`, `-resendtimeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long an answer to one request is awaited.
    pub answer: Duration,
    /// The longest wait until a message is sent again.
    pub resend: Duration,
    /// How long an ADD tries in all.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_secs(10), resend: Duration::from_secs(62), whole: Duration::from_secs(208) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_become_longer_up_to_the_limit() {
        let mut resend = Resend::v4(Duration::from_secs(62), Random::from_seed(7));
        let waits: Vec<u128> = (0..12).map(|_| resend.wait().as_millis()).collect();
        let expected = [500, 1000, 2000, 2000, 2000, 4000, 8000, 16000, 32000, 62000, 62000, 62000];
        for (wait, expected) in waits.iter().zip(expected) {
            assert!(wait.abs_diff(expected) <= 1000, "{waits:?}");
        }
        assert_ne!(waits[10], waits[11], "they deviate");
        let mut resend = Resend::v6(Duration::from_secs(30), Random::from_seed(7));
        let waits: Vec<u128> = (0..7).map(|_| resend.wait().as_millis()).collect();
        for (wait, expected) in waits.iter().zip([1000, 2000, 4000, 8000, 16000, 30000, 30000]) {
            assert!(wait.abs_diff(expected) <= 100, "{waits:?}");
        }
    }

    #[test]
    fn a_short_limit_holds_from_the_start() {
        let mut resend = Resend::v4(Duration::from_millis(200), Random::from_seed(7));
        assert!((0..40).all(|_| (150..=250).contains(&resend.wait().as_millis())));
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(Random::new().number(), Random::new().number());
    }
}
