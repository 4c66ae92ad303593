//! As much of D-Bus as it takes to call a method of a daemon and read what it answers
//! (<https://dbus.freedesktop.org/doc/dbus-specification.html>). Arguments are text; answers are text, a number or nothing.
//!
//! By hand: `rustbus`, the one crate that is synchronous and pure Rust, brings a second `nix` and a second `syn`, which
//! `deny.toml` refuses, for what are three methods here.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

/// Where the system bus is unless the environment says otherwise.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// No answer of ours is longer: what is longer is no answer.
const MESSAGE_MAX: usize = 1 << 20;

/// `METHOD_RETURN` and `ERROR`, types of messages.
const RETURN: u8 = 2;
const ERROR: u8 = 3;
/// `NO_AUTO_START`, a flag: a daemon that is not running stays so.
const NO_AUTO_START: u8 = 2;

/// A connection to the system bus.
#[derive(Debug)]
pub struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
}

/// The method to call.
#[derive(Debug, Clone, Copy)]
pub struct Method<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
}

/// What a method gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The first value, where it is text or a number (a truth value is 0 or 1).
    Text(String),
    Number(u32),
    /// None, or of another type.
    Nothing,
    /// The name of the error and what it says.
    Refusal(String, String),
}

/// The socket of the system bus, if there is one.
pub fn socket() -> Option<PathBuf> {
    let address = env::var("DBUS_SYSTEM_BUS_ADDRESS").ok().filter(|address| !address.is_empty());
    let path = match address {
        Some(address) => {
            address.split([';', ',']).find_map(|part| part.strip_prefix("unix:path=").map(PathBuf::from))?
        }
        None => PathBuf::from(SOCKET),
    };
    path.exists().then_some(path)
}

impl Bus {
    /// Connects. The daemon knows who we are by the socket (`SASL EXTERNAL` without a name).
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        let mut bus = Self { stream: BufReader::new(stream), serial: 0 };
        bus.write(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        for expected in ["DATA", "OK"] {
            let mut line = String::new();
            bus.stream.by_ref().take(1024).read_line(&mut line)?;
            if !line.starts_with(expected) {
                return Err(broken(format!("authentication refused: {}", line.trim())));
            }
        }
        bus.call(Method::of_bus("Hello"), &[])?;
        Ok(bus)
    }

    /// Whether somebody has this name.
    pub fn has_owner(&mut self, name: &str) -> io::Result<bool> {
        Ok(self.call(Method::of_bus("NameHasOwner"), &[name])? == Answer::Number(1))
    }

    /// Calls a method and waits for its answer. Signals that come meanwhile are passed over.
    pub fn call(&mut self, method: Method<'_>, arguments: &[&str]) -> io::Result<Answer> {
        self.serial += 1;
        let message = encode(self.serial, method, arguments)?;
        self.write(&message)?;
        loop {
            if let Some(answer) = self.read()?.answer_to(self.serial)? {
                return Ok(answer);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    fn read(&mut self) -> io::Result<Message> {
        let mut start = vec![0; 16];
        self.stream.read_exact(&mut start)?;
        let reader = Reader { bytes: &start, at: 4, big_endian: start.first() == Some(&b'B') };
        let lengths = reader.lengths().filter(|(fields, body)| fields + body <= MESSAGE_MAX);
        let (fields, body) = lengths.ok_or_else(|| broken("a message without an end".to_owned()))?;
        let header = (start.len() + fields).next_multiple_of(8);
        let mut bytes = start;
        bytes.resize(header + body, 0);
        self.stream.read_exact(bytes.get_mut(16..).unwrap_or_default())?;
        Ok(Message { bytes, fields_end: 16 + fields, body: header })
    }
}

impl Method<'_> {
    const fn of_bus(member: &str) -> Method<'_> {
        let name = "org.freedesktop.DBus";
        Method { destination: name, path: "/org/freedesktop/DBus", interface: name, member }
    }
}

fn broken(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A message: fixed start, fields of the header, body. Little-endian.
fn encode(serial: u32, method: Method<'_>, arguments: &[&str]) -> io::Result<Vec<u8>> {
    let (mut body, mut fields) = (Vec::new(), Vec::new());
    for argument in arguments {
        put_text(&mut body, argument)?;
    }
    // PATH, INTERFACE, MEMBER, DESTINATION, SIGNATURE
    let texts = [(1, b'o', method.path), (2, b's', method.interface), (3, b's', method.member)];
    for (code, kind, text) in texts.into_iter().chain([(6, b's', method.destination)]) {
        align(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        put_text(&mut fields, text)?;
    }
    if !arguments.is_empty() {
        align(&mut fields, 8);
        fields.extend([8, 1, b'g', 0]);
        fields.push(u8::try_from(arguments.len()).map_err(|_| broken("too many arguments".to_owned()))?);
        fields.extend(arguments.iter().map(|_| b's').chain([0]));
    }
    let mut message = vec![b'l', 1, NO_AUTO_START, 1];
    message.extend(length(&body)?);
    message.extend(serial.to_le_bytes());
    message.extend(length(&fields)?);
    message.extend(fields);
    align(&mut message, 8);
    message.extend(body);
    Ok(message)
}

fn put_text(into: &mut Vec<u8>, text: &str) -> io::Result<()> {
    align(into, 4);
    into.extend(length(text.as_bytes())?);
    into.extend(text.bytes().chain([0]));
    Ok(())
}

fn length(bytes: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(bytes.len()).map(u32::to_le_bytes).map_err(|_| broken("too long".to_owned()))
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

struct Message {
    bytes: Vec<u8>,
    fields_end: usize,
    body: usize,
}

impl Message {
    /// None if it is no answer to this call.
    fn answer_to(&self, serial: u32) -> io::Result<Option<Answer>> {
        let Some(kind @ (RETURN | ERROR)) = self.bytes.get(1).copied() else { return Ok(None) };
        let unreadable = || broken("an answer that cannot be read".to_owned());
        let fields = self.fields().ok_or_else(unreadable)?;
        if fields.reply_to != serial {
            return Ok(None);
        }
        self.answer(kind, &fields).map(Some).ok_or_else(unreadable)
    }

    fn answer(&self, kind: u8, fields: &Fields) -> Option<Answer> {
        let mut body = self.reader(self.body);
        let value = match fields.signature.bytes().next() {
            Some(b's') => Answer::Text(body.text()?),
            Some(b'b' | b'u') => Answer::Number(body.number()?),
            _ => Answer::Nothing,
        };
        Some(match (kind, value) {
            (ERROR, Answer::Text(text)) => Answer::Refusal(fields.error.clone(), text),
            (ERROR, _) => Answer::Refusal(fields.error.clone(), String::new()),
            (_, value) => value,
        })
    }

    fn fields(&self) -> Option<Fields> {
        let (mut fields, mut reader) = (Fields::default(), self.reader(16));
        while reader.at < self.fields_end {
            reader.align(8);
            let code = reader.byte()?;
            match (code, reader.signature()?.as_str()) {
                (4, "s") => fields.error = reader.text()?,
                (5, "u") => fields.reply_to = reader.number()?,
                (8, "g") => fields.signature = reader.signature()?,
                (_, "s" | "o") => drop(reader.text()?),
                (_, "u") => drop(reader.number()?),
                (_, "g") => drop(reader.signature()?),
                _ => return None,
            }
        }
        Some(fields)
    }

    fn reader(&self, at: usize) -> Reader<'_> {
        Reader { bytes: &self.bytes, at, big_endian: self.bytes.first() == Some(&b'B') }
    }
}

#[derive(Default)]
struct Fields {
    reply_to: u32,
    error: String,
    signature: String,
}

/// A place in a message. Alignment counts from its beginning.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl Reader<'_> {
    fn lengths(mut self) -> Option<(usize, usize)> {
        let body = self.number()?;
        let _serial = self.number()?;
        Some((usize::try_from(self.number()?).ok()?, usize::try_from(body).ok()?))
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let start = self.at;
        self.at = start.checked_add(length)?;
        self.bytes.get(start..self.at)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let big_endian = self.big_endian;
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        self.ended(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?;
        self.ended(length.into())
    }

    /// Text with a NUL behind it.
    fn ended(&mut self, length: usize) -> Option<String> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.byte().map(|_| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: Vec<u8>) -> Message {
        let reader = Reader { bytes: &bytes, at: 4, big_endian: false };
        let (fields, _) = reader.lengths().unwrap();
        Message { fields_end: 16 + fields, body: (16 + fields).next_multiple_of(8), bytes }
    }

    /// An answer as a daemon writes it: the fields `REPLY_SERIAL`, `SIGNATURE` and, for an error, its name.
    fn answer(kind: u8, error: Option<&str>, text: &str) -> Message {
        let mut fields = vec![5, 1, b'u', 0, 7, 0, 0, 0, 8, 1, b'g', 0, 1, b's', 0];
        if let Some(error) = error {
            align(&mut fields, 8);
            fields.extend([4, 1, b's', 0]);
            put_text(&mut fields, error).unwrap();
        }
        let mut body = Vec::new();
        put_text(&mut body, text).unwrap();
        let mut bytes = vec![b'l', kind, 0, 1];
        bytes.extend(length(&body).unwrap().into_iter().chain([9, 0, 0, 0]).chain(length(&fields).unwrap()));
        bytes.extend(fields);
        align(&mut bytes, 8);
        bytes.extend(body);
        message(bytes)
    }

    #[test]
    fn answers_are_read() {
        let returned = answer(RETURN, None, "trusted");
        assert_eq!(returned.answer_to(7).unwrap(), Some(Answer::Text("trusted".into())));
        assert_eq!(returned.answer_to(8).unwrap(), None, "to another call");
        let refused = answer(ERROR, Some("a.B"), "no");
        assert_eq!(refused.answer_to(7).unwrap(), Some(Answer::Refusal("a.B".into(), "no".into())));
    }

    #[test]
    fn junk_is_no_answer_and_does_not_panic() {
        let whole = answer(ERROR, Some("a.B"), "no").bytes;
        for place in 16..whole.len() {
            for value in [0, 1, b's', 0xff] {
                let mut bytes = whole.clone();
                bytes[place] = value;
                let _ = message(bytes).answer_to(7);
            }
            let mut cut = answer(RETURN, None, "trusted");
            cut.bytes.truncate(place);
            let _ = cut.answer_to(7);
        }
    }

    #[test]
    fn call_is_aligned_and_tells_its_lengths() {
        let method = Method { destination: "a.B", path: "/a", interface: "a.B.c", member: "addSource" };
        let bytes = encode(3, method, &["trusted", "10.1.0.2/32"]).unwrap();
        let read = message(bytes.clone());
        assert_eq!((read.body % 8, &bytes[read.body..read.body + 4]), (0, [7, 0, 0, 0].as_slice()));
        assert_eq!(read.fields().unwrap().signature, "ss");
    }
}
