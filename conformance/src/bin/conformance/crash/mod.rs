//! `crash`: what is left of a plugin that is killed, or whose system calls fail.

mod tracer;
