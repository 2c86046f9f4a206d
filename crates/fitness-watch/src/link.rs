//! One connection, between a socket and LDK: bytes go both ways, and nobody looks into them.
//!
//! `lightning-net-tokio` does the same and keeps to itself how far a handshake came. Whether a
//! connection was refused, unanswered or answered by somebody else is what we are here to tell.

use std::hash::{Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lightning::bitcoin::secp256k1::PublicKey;
use lightning::ln::peer_handler::SocketDescriptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::ldk::Ldk;
use crate::witness::Witness;

/// How much waits to be sent before LDK is asked to wait.
const OUTBOX: usize = 64 * 1024;

/// How much is read at once, as LDK recommends.
const CHUNK: usize = 4 * 1024;

/// What LDK knows a connection by.
#[derive(Clone)]
pub(crate) struct Descriptor {
    number: u64,
    outbox: Arc<Outbox>,
}

/// What LDK wants done with a connection. LDK fills it with its locks held.
#[derive(Default)]
struct Outbox {
    wishes: Mutex<Wishes>,
    changed: Notify,
}

#[derive(Default)]
struct Wishes {
    bytes: Vec<u8>,
    /// LDK has more, and is to be told when there is room.
    has_more: bool,
    /// Nothing is to be read for now.
    pause: bool,
    close: bool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        // No code of others runs under this lock.
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SocketDescriptor for Descriptor {
    fn send_data(&mut self, data: &[u8], continue_read: bool) -> usize {
        let mut wishes = self.outbox.lock();
        if wishes.close {
            return 0;
        }
        let room = OUTBOX.saturating_sub(wishes.bytes.len());
        let (taken, left) = data.split_at(data.len().min(room));
        wishes.bytes.extend_from_slice(taken);
        wishes.has_more |= !left.is_empty();
        wishes.pause = !continue_read;
        self.outbox.changed.notify_one();
        taken.len()
    }

    fn disconnect_socket(&mut self) {
        self.outbox.lock().close = true;
        self.outbox.changed.notify_one();
    }
}

impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Descriptor {}

impl Hash for Descriptor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// A connection. LDK hears of its end when it is dropped, at the latest.
pub(crate) struct Link {
    pub(crate) ldk: Arc<Ldk>,
    witness: Arc<Witness>,
    pub(crate) node: PublicKey,
    descriptor: Descriptor,
    stream: TcpStream,
    buffer: Box<[u8; CHUNK]>,
    /// What is being sent, and how much of it was.
    sending: Vec<u8>,
    sent: usize,
    /// The first byte that was read.
    first: Option<u8>,
    /// Whether the node has proved who it is: from then on, what it says proves that we hear.
    pub(crate) is_known: bool,
}

/// What came of a connection in one step.
#[derive(Debug)]
pub(crate) enum Step {
    /// So many bytes, and LDK is fine with them.
    Read(usize),
    /// Bytes that LDK does not put up with.
    Refused,
    /// Its end, by the other side.
    Ended(io::Result<()>),
    /// Its end, by LDK: nothing was heard for too long.
    Dropped,
}

impl Link {
    /// A connection to a node over a stream. What LDK wants to say first, 50 bytes, is returned and left to
    /// be sent: see [`Link::send`].
    ///
    /// `None` where LDK does not want it.
    pub(crate) fn new(
        ldk: &Arc<Ldk>,
        witness: &Arc<Witness>,
        node: PublicKey,
        stream: TcpStream,
    ) -> Option<(Self, Vec<u8>)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let descriptor = Descriptor { number, outbox: Arc::default() };
        let first = ldk.peers.new_outbound_connection(node, descriptor.clone(), None).ok()?;
        let link = Self {
            ldk: Arc::clone(ldk),
            witness: Arc::clone(witness),
            node,
            descriptor,
            stream,
            buffer: Box::new([0; CHUNK]),
            sending: Vec::new(),
            sent: 0,
            first: None,
            is_known: false,
        };
        Some((link, first))
    }

    /// Whether what was read so far cannot be BOLT 8: that begins with its version, which is 0.
    pub(crate) fn is_foreign(&self) -> bool {
        self.first.is_some_and(|first| first != 0)
    }

    /// Has bytes sent with the next steps.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.sending.extend(bytes);
    }

    /// Goes on until something comes in or it is over. Cancel-safe: nothing is lost or sent twice.
    pub(crate) async fn step(&mut self) -> Step {
        loop {
            let reading = {
                let mut wishes = self.descriptor.outbox.lock();
                if wishes.close {
                    return Step::Dropped;
                }
                if self.sent == self.sending.len() {
                    self.sending.clear();
                    self.sent = 0;
                    std::mem::swap(&mut self.sending, &mut wishes.bytes);
                }
                !wishes.pause
            };
            if self.has_room_again() {
                if self.ldk.peers.write_buffer_space_avail(&mut self.descriptor).is_err() {
                    return Step::Dropped;
                }
                continue;
            }
            let unsent = self.sending.get(self.sent..).unwrap_or_default();
            let (mut reader, mut writer) = self.stream.split();
            tokio::select! {
                () = self.descriptor.outbox.changed.notified() => {}
                written = writer.write(unsent), if !unsent.is_empty() => match written {
                    Ok(count) => self.sent += count,
                    Err(error) => return Step::Ended(Err(error)),
                },
                read = reader.read(&mut self.buffer[..]), if reading => match read {
                    Ok(0) => return Step::Ended(Ok(())),
                    Ok(count) => return self.take_in(count),
                    Err(error) => return Step::Ended(Err(error)),
                },
            }
        }
    }

    /// Whether LDK waits for room, and there is some.
    fn has_room_again(&self) -> bool {
        let mut wishes = self.descriptor.outbox.lock();
        wishes.bytes.is_empty() && std::mem::take(&mut wishes.has_more)
    }

    fn take_in(&mut self, count: usize) -> Step {
        if self.is_known {
            self.witness.hear();
        }
        let bytes = self.buffer.get(..count).unwrap_or_default();
        self.first = self.first.or_else(|| bytes.first().copied());
        if self.ldk.peers.read_event(&mut self.descriptor, bytes).is_err() {
            return Step::Refused;
        }
        self.ldk.process();
        Step::Read(count)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Where LDK knows already, this does nothing.
        self.ldk.peers.socket_disconnected(&self.descriptor);
        // It may have greeted us without anybody taking note.
        self.ldk.greeter.take(&self.node);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use fitness_actor::Service;
    use fitness_core::NodeId;
    use fitness_ldk::LdkFitness;
    use fitness_store::MemoryStore;
    use lightning::sign::{NodeSigner, Recipient};
    use tokio::net::TcpListener;

    use super::*;
    use crate::identity::Identity;

    /// A connection that is past nothing yet, and its other end.
    async fn pair() -> (Link, TcpStream) {
        let service =
            Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default())).start().await.unwrap();
        let identity = Identity::from_seed(&[1; 32]).unwrap();
        let node = identity.keys.get_node_id(Recipient::Node).unwrap();
        let ldk = Arc::new(Ldk::new(&LdkFitness::new(service.handle()), identity, None, &[3; 32]));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (other, _) = listener.accept().await.unwrap();
        let (mut link, first) =
            Link::new(&ldk, &Arc::new(Witness::new(std::time::Duration::ZERO)), node, stream).unwrap();
        assert_eq!(first.len(), 50);
        link.send(b"!");
        (link, other)
    }

    /// More than any socket buffers by itself.
    const MUCH: usize = 32 * OUTBOX;

    #[tokio::test]
    async fn ldk_is_told_to_wait_and_when_there_is_room() {
        let (mut link, mut other) = pair().await;
        let mut descriptor = link.descriptor.clone();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(MUCH).collect();
        assert_eq!(descriptor.send_data(&bytes, false), OUTBOX, "no more is kept than that");
        assert_eq!(descriptor.send_data(&bytes, false), 0);
        let mut taken = OUTBOX;
        let mut received = vec![0; MUCH + 1];
        let reading = tokio::spawn(async move {
            other.read_exact(&mut received).await.unwrap();
            (received, other)
        });
        while !reading.is_finished() {
            // What LDK does when it is told of room; that it is, is seen by its wish to read again.
            tokio::select! {
                biased;
                step = link.step() => panic!("{step:?}"),
                () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            }
            let has_room = !link.descriptor.outbox.lock().pause;
            if has_room && taken < MUCH {
                taken += descriptor.send_data(&bytes[taken..], false);
            }
        }
        let (received, _other) = reading.await.unwrap();
        assert_eq!((received[0], &received[1..]), (b'!', &bytes[..]), "all of it, in order");
    }

    #[tokio::test]
    async fn nothing_is_read_while_ldk_does_not_want_it() {
        let (mut link, mut other) = pair().await;
        let mut descriptor = link.descriptor.clone();
        assert_eq!(descriptor.send_data(&[], false), 0);
        other.write_all(&[0; 30]).await.unwrap();
        let wait = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(wait, link.step()).await.is_err(), "it was read");
        descriptor.send_data(&[], true);
        assert!(matches!(link.step().await, Step::Read(30)));
        assert!(!link.is_foreign());
    }

    #[tokio::test]
    async fn every_end_is_told_for_what_it_is() {
        let (mut link, other) = pair().await;
        drop(other);
        // Unread bytes make it a reset.
        assert!(matches!(link.step().await, Step::Ended(_)));

        let (mut link, mut other) = pair().await;
        other.write_all(&[1; 50]).await.unwrap();
        assert!(matches!(link.step().await, Step::Refused), "LDK knows no such answer");
        assert!(link.is_foreign());

        let (mut link, _other) = pair().await;
        let mut descriptor = link.descriptor.clone();
        descriptor.disconnect_socket();
        assert!(matches!(link.step().await, Step::Dropped));
        assert_eq!(descriptor.send_data(b"more", true), 0);
    }
}
