//! Tracked connections: listing and forgetting them.
//!
//! A connection that was translated before a rule changed stays translated as it was. UDP has no end that would settle it, so
//! who takes a published port away, or gives it to another, deletes the entries for that port.
