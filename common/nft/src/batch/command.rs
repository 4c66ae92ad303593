//! The messages of a batch, and which of them an error is about.

use netlink_packet_core::{Emitable, NLM_F_ACK, NLM_F_CREATE};
use netlink_packet_netfilter::nftables::{ListAttribute, NfTablesMessage, SetElementAttribute};

use super::EXCLUSIVE;
use crate::client::Generation;
use crate::error::Error;
use crate::model::{Element, Set, Table};
use crate::socket::Failure;
use crate::wire::element::{self, Parts};
use crate::wire::{Message, Refusal};

/// An attribute's length has 16 bits, and the list of elements is one attribute.
const ELEMENTS_BYTES_MAX: usize = 60_000;

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) message: Message,
    pub(super) op: &'static str,
    pub(super) subject: Subject,
}

/// What a message is about.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    Object(String),
    /// Elements of a set, each with the offset in the message where it starts.
    Elements {
        set: String,
        elements: Vec<(usize, Element)>,
    },
}

impl Subject {
    /// The name of what failed. Where the kernel does not tell the offset of an offending element, as older ones do
    /// not, it can be any of the message.
    fn name(&self, offset: Option<u32>) -> String {
        match self {
            Self::Object(object) => object.clone(),
            Self::Elements { set, elements } => {
                let at = offset.and_then(|offset| usize::try_from(offset).ok());
                let offending = at.and_then(|at| elements.iter().rfind(|(start, _)| *start <= at));
                match (offending, elements.as_slice()) {
                    (Some((_, element)), _) | (None, [(_, element)]) => format!("{set} {{ {element} }}"),
                    (None, [(_, first), rest @ ..]) => format!("{set} {{ {first} }} or {} others", rest.len()),
                    (None, []) => set.clone(),
                }
            }
        }
    }
}

/// What happens to elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Ensure,
    Add,
    Delete,
}

impl Change {
    /// In nft's words.
    pub(super) fn op(self) -> &'static str {
        match self {
            Self::Ensure => "add element",
            Self::Add => "create element",
            Self::Delete => "delete element",
        }
    }

    fn parts(self) -> Parts {
        match self {
            Self::Ensure | Self::Add => Parts::All,
            Self::Delete => Parts::KeyOnly,
        }
    }

    fn flags(self) -> u16 {
        match self {
            Self::Ensure => NLM_F_CREATE,
            Self::Add => EXCLUSIVE,
            Self::Delete => 0,
        }
    }
}

/// Elements that go in one message.
#[derive(Default)]
struct Packet {
    attributes: Vec<ListAttribute<SetElementAttribute>>,
    elements: Vec<(usize, Element)>,
    bytes: usize,
}

/// The messages for elements of a set, as few as fit; or what cannot be sent, and why.
pub(super) fn elements(
    change: Change,
    table: &Table,
    set: &Set,
    elements: impl IntoIterator<Item = Element>,
) -> Result<Vec<Command>, (String, Refusal)> {
    let place = format!("{table} {}", set.name);
    let start = element::offset_of_elements(table, set);
    let mut packets = Vec::new();
    let mut packet = Packet::default();
    for element in elements {
        let attributes = element::encode(set, &element, change.parts())
            .map_err(|refusal| (format!("{place} {{ {element} }}"), refusal))?;
        let len = attributes.as_slice().buffer_len();
        if packet.bytes + len > ELEMENTS_BYTES_MAX {
            packets.push(std::mem::take(&mut packet));
        }
        packet.elements.push((start + packet.bytes, element));
        packet.attributes.extend(attributes);
        packet.bytes += len;
    }
    if !packet.elements.is_empty() {
        packets.push(packet);
    }
    let command = |packet| command(change, table, set, packet).map_err(|refusal| (place.clone(), refusal));
    packets.into_iter().map(command).collect()
}

fn command(change: Change, table: &Table, set: &Set, packet: Packet) -> Result<Command, Refusal> {
    let list = element::message(table, &set.name, None, packet.attributes)?;
    let message = match change {
        Change::Ensure | Change::Add => NfTablesMessage::NewSetElement(list),
        Change::Delete => NfTablesMessage::DeleteSetElement(list),
    };
    let subject = Subject::Elements { set: format!("{table} {}", set.name), elements: packet.elements };
    Ok(Command { message: Message::nftables(table.family, change.flags(), message), op: change.op(), subject })
}

/// The messages of a batch in order, with what each is about. Their sequence numbers count from the first.
#[derive(Debug)]
pub(crate) struct Plan {
    messages: Vec<Message>,
    subjects: Vec<(&'static str, Subject)>,
}

impl Plan {
    pub(super) fn new(commands: Vec<Command>, generation: Option<Generation>) -> Self {
        let mut messages = vec![Message::batch_begin(generation.map(|Generation(id)| id))];
        let mut subjects = Vec::with_capacity(commands.len());
        for Command { message, op, subject } in commands {
            messages.push(message);
            subjects.push((op, subject));
        }
        // One acknowledgement tells that the kernel went through all of it. Older kernels do not acknowledge BATCH_END.
        if let Some(last) = messages.last_mut() {
            last.flags |= NLM_F_ACK;
        }
        messages.push(Message::batch_end());
        Self { messages, subjects }
    }

    /// How many sequence numbers the batch takes.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The bytes to send, with sequence numbers from `first` on.
    pub(crate) fn write(&mut self, first: u32) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mut sequence = first;
        for message in self.messages.drain(..) {
            message.write(sequence, &mut buffer);
            sequence = sequence.wrapping_add(1);
        }
        buffer
    }

    /// The error for a failure of the message at `index`.
    pub(crate) fn error(&self, index: u32, failure: Failure) -> Error {
        let subject = usize::try_from(index).ok().and_then(|index| self.subjects.get(index.checked_sub(1)?));
        let (op, object) = match subject {
            Some((op, subject)) => (*op, subject.name(failure.offset)),
            // Index 0 is BATCH_BEGIN: the generation, the right to change anything, the commit itself.
            None => ("commit", self.summary()),
        };
        failure.into_error(op, object)
    }

    fn summary(&self) -> String {
        let Some((op, subject)) = self.subjects.first() else { return "batch".to_owned() };
        match self.subjects.len() - 1 {
            0 => format!("batch ({op} {})", subject.name(None)),
            more => format!("batch ({op} {} and {more} more)", subject.name(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyType;
    use crate::model::Family;

    fn ports(range: std::ops::Range<u16>) -> Vec<Command> {
        let set = Set::new("s", [KeyType::InetService]);
        let table = Table::new(Family::Inet, "t");
        elements(Change::Add, &table, &set, range.map(Element::new)).unwrap()
    }

    #[test]
    fn many_elements_share_messages() {
        let commands = ports(0..10_000);
        assert!(commands.len() > 1);
        for command in commands {
            let mut bytes = Vec::new();
            command.message.write(1, &mut bytes);
            assert!(bytes.len() < 65_000);
        }
    }

    #[test]
    fn offset_names_the_element() {
        let commands = ports(80..83);
        let [Command { message, subject, .. }] = commands.as_slice() else { panic!("one message") };
        let mut bytes = Vec::new();
        message.clone().write(1, &mut bytes);
        let Subject::Elements { elements, .. } = subject else { panic!("elements") };
        let offsets: Vec<usize> = elements.iter().map(|(offset, _)| *offset).collect();
        // 80 stands 12 bytes into its element: behind the headers of NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY,
        // NFTA_DATA_VALUE.
        assert_eq!(&bytes[offsets[0] + 12..offsets[0] + 14], [0, 80]);
        assert_eq!(&bytes[offsets[2] + 12..offsets[2] + 14], [0, 82]);
        let second = u32::try_from(offsets[1]).unwrap();
        assert_eq!(subject.name(Some(second)), "inet t s { 81 }");
        assert_eq!(subject.name(None), "inet t s { 80 } or 2 others");
    }
}
