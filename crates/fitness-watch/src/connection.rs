//! One connection: passes bytes between a socket and LDK without interpreting them.
//!
//! `lightning-net-tokio` does the same but does not report how far a handshake got. The watcher has to know
//! that to distinguish a node that does not reply from a different service or another node.

use std::hash::{Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lightning::bitcoin::secp256k1::PublicKey;
use lightning::ln::peer_handler::SocketDescriptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::connectivity::Connectivity;
use crate::ldk::Ldk;

/// How many bytes are queued for sending before LDK has to wait.
const OUTBOX_CAPACITY: usize = 64 * 1024;

/// How many bytes are read at once, as LDK recommends.
const READ_CHUNK: usize = 4 * 1024;

/// LDK's handle of a connection.
#[derive(Clone)]
pub(crate) struct Descriptor {
    id: u64,
    outbox: Arc<Outbox>,
}

/// LDK's requests for a connection. LDK writes them while it holds its own locks.
#[derive(Default)]
struct Outbox {
    requests: Mutex<Requests>,
    changed: Notify,
}

#[derive(Default)]
struct Requests {
    /// Bytes to send.
    bytes: Vec<u8>,
    /// LDK has more bytes to send and waits for `write_buffer_space_avail`.
    has_more: bool,
    /// Stop reading for now.
    pause_reads: bool,
    /// Close the connection.
    close: bool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Requests> {
        // No foreign code runs under this lock.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SocketDescriptor for Descriptor {
    fn send_data(&mut self, data: &[u8], continue_read: bool) -> usize {
        let mut requests = self.outbox.lock();
        if requests.close {
            return 0;
        }
        let capacity = OUTBOX_CAPACITY.saturating_sub(requests.bytes.len());
        let (accepted, rest) = data.split_at(data.len().min(capacity));
        requests.bytes.extend_from_slice(accepted);
        requests.has_more |= !rest.is_empty();
        requests.pause_reads = !continue_read;
        self.outbox.changed.notify_one();
        accepted.len()
    }

    fn disconnect_socket(&mut self) {
        self.outbox.lock().close = true;
        self.outbox.changed.notify_one();
    }
}

impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Descriptor {}

impl Hash for Descriptor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A connection to a node. Dropping it notifies LDK that it is closed, unless LDK closed it itself.
pub(crate) struct Connection {
    pub(crate) ldk: Arc<Ldk>,
    connectivity: Arc<Connectivity>,
    pub(crate) node: PublicKey,
    descriptor: Descriptor,
    stream: TcpStream,
    buffer: Box<[u8; READ_CHUNK]>,
    /// The bytes that are being sent, and how many of them were sent.
    sending: Vec<u8>,
    sent: usize,
    /// The first byte that was received.
    first_byte: Option<u8>,
    /// Whether the node has proved its key. From then on, received data proves that our network works.
    pub(crate) is_authenticated: bool,
}

/// The result of one [`Connection::step`].
#[derive(Debug)]
pub(crate) enum Step {
    /// This many bytes were received and accepted by LDK.
    Received(usize),
    /// Bytes were received, and LDK rejected them and closed the connection.
    ProtocolError,
    /// The other side closed the connection, or the socket failed.
    Closed(io::Result<()>),
    /// LDK closed the connection because nothing was received for too long.
    PingTimeout,
}

impl Connection {
    /// Starts a connection to a node over a stream. Also returns the first message of the handshake, 50
    /// bytes, which the caller has to send with [`Connection::send`].
    ///
    /// Returns `None` if LDK rejects the connection.
    pub(crate) fn new(
        ldk: &Arc<Ldk>,
        connectivity: &Arc<Connectivity>,
        node: PublicKey,
        stream: TcpStream,
    ) -> Option<(Self, Vec<u8>)> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let descriptor = Descriptor { id, outbox: Arc::default() };
        let act_one = ldk.peer_manager.new_outbound_connection(node, descriptor.clone(), None).ok()?;
        let connection = Self {
            ldk: Arc::clone(ldk),
            connectivity: Arc::clone(connectivity),
            node,
            descriptor,
            stream,
            buffer: Box::new([0; READ_CHUNK]),
            sending: Vec::new(),
            sent: 0,
            first_byte: None,
            is_authenticated: false,
        };
        Some((connection, act_one))
    }

    /// Whether the received bytes cannot be BOLT 8, whose messages begin with the version byte 0.
    pub(crate) fn is_not_bolt8(&self) -> bool {
        self.first_byte.is_some_and(|byte| byte != 0)
    }

    /// Queues bytes, which the next steps send.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.sending.extend(bytes);
    }

    /// Sends and receives until data was received or the connection ended. Cancel-safe: no bytes are lost or
    /// sent twice.
    pub(crate) async fn step(&mut self) -> Step {
        loop {
            let reading = {
                let mut requests = self.descriptor.outbox.lock();
                if requests.close {
                    return Step::PingTimeout;
                }
                if self.sent == self.sending.len() {
                    self.sending.clear();
                    self.sent = 0;
                    std::mem::swap(&mut self.sending, &mut requests.bytes);
                }
                !requests.pause_reads
            };
            if self.take_write_space() {
                if self.ldk.peer_manager.write_buffer_space_avail(&mut self.descriptor).is_err() {
                    return Step::PingTimeout;
                }
                continue;
            }
            let unsent = self.sending.get(self.sent..).unwrap_or_default();
            let (mut reader, mut writer) = self.stream.split();
            tokio::select! {
                () = self.descriptor.outbox.changed.notified() => {}
                written = writer.write(unsent), if !unsent.is_empty() => match written {
                    Ok(count) => self.sent += count,
                    Err(error) => return Step::Closed(Err(error)),
                },
                read = reader.read(&mut self.buffer[..]), if reading => match read {
                    Ok(0) => return Step::Closed(Ok(())),
                    Ok(count) => return self.process_received(count),
                    Err(error) => return Step::Closed(Err(error)),
                },
            }
        }
    }

    /// Returns whether LDK waits for space in the outbox and there is space again. Clears the request.
    fn take_write_space(&self) -> bool {
        let mut requests = self.descriptor.outbox.lock();
        requests.bytes.is_empty() && std::mem::take(&mut requests.has_more)
    }

    fn process_received(&mut self, count: usize) -> Step {
        if self.is_authenticated {
            self.connectivity.record_received();
        }
        let bytes = self.buffer.get(..count).unwrap_or_default();
        self.first_byte = self.first_byte.or_else(|| bytes.first().copied());
        if self.ldk.peer_manager.read_event(&mut self.descriptor, bytes).is_err() {
            return Step::ProtocolError;
        }
        self.ldk.request_processing();
        Step::Received(count)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Has no effect if LDK closed the connection.
        self.ldk.peer_manager.socket_disconnected(&self.descriptor);
        // Its `init` may have been received and not been taken yet.
        self.ldk.init_handler.take(&self.node);
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

    /// Creates a connection before its handshake, with one byte queued, and the other end of its socket.
    async fn pair() -> (Connection, TcpStream) {
        let service =
            Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default())).start().await.unwrap();
        let identity = Identity::from_seed(&[1; 32]).unwrap();
        let node = identity.keys.get_node_id(Recipient::Node).unwrap();
        let ldk = Arc::new(Ldk::new(&LdkFitness::new(service.handle()), identity, None, &[3; 32]));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (other, _) = listener.accept().await.unwrap();
        let connectivity = Arc::new(Connectivity::new(std::time::Duration::ZERO));
        let (mut connection, act_one) = Connection::new(&ldk, &connectivity, node, stream).unwrap();
        assert_eq!(act_one.len(), 50);
        connection.send(b"!");
        (connection, other)
    }

    /// More bytes than a socket buffers.
    const LARGE: usize = 32 * OUTBOX_CAPACITY;

    #[tokio::test]
    async fn ldk_waits_while_the_outbox_is_full_and_is_notified_of_space() {
        let (mut connection, mut other) = pair().await;
        let mut descriptor = connection.descriptor.clone();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(LARGE).collect();
        assert_eq!(descriptor.send_data(&bytes, false), OUTBOX_CAPACITY);
        assert_eq!(descriptor.send_data(&bytes, false), 0);
        let mut accepted = OUTBOX_CAPACITY;
        let mut received = vec![0; LARGE + 1];
        let reading = tokio::spawn(async move {
            other.read_exact(&mut received).await.unwrap();
            (received, other)
        });
        while !reading.is_finished() {
            // The test plays LDK's part: it sends more when `write_buffer_space_avail` was called. LDK then
            // requests reads again, which shows that the call was made.
            tokio::select! {
                biased;
                step = connection.step() => panic!("{step:?}"),
                () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            }
            let has_space = !connection.descriptor.outbox.lock().pause_reads;
            if has_space && accepted < LARGE {
                accepted += descriptor.send_data(&bytes[accepted..], false);
            }
        }
        let (received, _other) = reading.await.unwrap();
        assert_eq!((received[0], &received[1..]), (b'!', &bytes[..]), "all bytes arrive in order");
    }

    #[tokio::test]
    async fn nothing_is_received_while_ldk_pauses_reads() {
        let (mut connection, mut other) = pair().await;
        let mut descriptor = connection.descriptor.clone();
        assert_eq!(descriptor.send_data(&[], false), 0);
        other.write_all(&[0; 30]).await.unwrap();
        connection.stream.readable().await.unwrap();
        // The connection sends the queued byte, which shows that it ran, and ignores the bytes that wait.
        let mut sent = [0; 1];
        tokio::select! {
            biased;
            step = connection.step() => panic!("{step:?}"),
            read = other.read_exact(&mut sent) => drop(read.unwrap()),
        }
        assert_eq!(sent, *b"!");
        descriptor.send_data(&[], true);
        assert!(matches!(connection.step().await, Step::Received(30)));
        assert!(!connection.is_not_bolt8());
    }

    #[tokio::test]
    async fn steps_report_why_a_connection_ended() {
        let (mut connection, other) = pair().await;
        drop(other);
        // Unread bytes turn the close into a reset.
        assert!(matches!(connection.step().await, Step::Closed(_)));

        let (mut connection, mut other) = pair().await;
        other.write_all(&[1; 50]).await.unwrap();
        assert!(matches!(connection.step().await, Step::ProtocolError));
        assert!(connection.is_not_bolt8());

        let (mut connection, _other) = pair().await;
        let mut descriptor = connection.descriptor.clone();
        descriptor.disconnect_socket();
        assert!(matches!(connection.step().await, Step::PingTimeout));
        assert_eq!(descriptor.send_data(b"more", true), 0);
    }
}
