//! `LdkFitness` without a node: with a scripted custom message handler and constructed LDK events.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::sync::{Arc, Mutex};

use fitness_actor::{Handle, Service};
use fitness_core::{Change, ChannelId, ChannelOpened, Event, NodeId, OutPoint, Presence};
use fitness_ldk::{ConnectionRecorder, LdkFitness, convert};
use fitness_store::MemoryStore;
use lightning::bitcoin::ScriptBuf;
use lightning::bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use lightning::events::{self, ClosureReason, FundingInfo};
use lightning::io;
use lightning::ln::msgs::{DecodeError, ErrorAction, Init, LightningError};
use lightning::ln::peer_handler::{CustomMessageHandler, IgnoringMessageHandler};
use lightning::ln::wire::{CustomMessageReader, Type};
use lightning::types::features::{ChannelTypeFeatures, InitFeatures, NodeFeatures};
use lightning::util::logger::{Level, Record};
use lightning::util::ser::{LengthLimitedRead, Writeable, Writer};

fn key(n: u8) -> PublicKey {
    PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[n; 32]).unwrap())
}

fn node_id(n: u8) -> NodeId {
    convert::node_id(&key(n))
}

fn init() -> Init {
    Init { features: InitFeatures::empty(), networks: None, remote_network_address: None }
}

async fn service() -> Service {
    Service::builder(node_id(1), Arc::new(MemoryStore::default())).start().await.unwrap()
}

fn presence(handle: &Handle, peer: u8) -> Presence {
    handle.peer(&node_id(peer)).unwrap().presence
}

mod wrapper {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct TestMessage(u16);

    impl Type for TestMessage {
        fn type_id(&self) -> u16 {
            40_001
        }
    }

    impl Writeable for TestMessage {
        fn write<W: Writer>(&self, writer: &mut W) -> Result<(), io::Error> {
            self.0.write(writer)
        }
    }

    /// Rejects one peer, records its calls and returns recognisable values.
    #[derive(Default)]
    struct ScriptedHandler {
        rejected: Option<PublicKey>,
        calls: Mutex<Vec<String>>,
    }

    impl ScriptedHandler {
        fn called(&self, call: String) {
            self.calls.lock().unwrap().push(call);
        }
    }

    impl CustomMessageReader for ScriptedHandler {
        type CustomMessage = TestMessage;

        fn read<R: LengthLimitedRead>(
            &self,
            message_type: u16,
            buffer: &mut R,
        ) -> Result<Option<TestMessage>, DecodeError> {
            match message_type {
                40_001 => {
                    let mut bytes = [0; 2];
                    buffer.read_exact(&mut bytes).map_err(|_| DecodeError::ShortRead)?;
                    Ok(Some(TestMessage(u16::from_be_bytes(bytes))))
                }
                _ => Ok(None),
            }
        }
    }

    impl CustomMessageHandler for ScriptedHandler {
        fn handle_custom_message(&self, msg: TestMessage, sender: PublicKey) -> Result<(), LightningError> {
            self.called(format!("{msg:?} from {sender}"));
            Err(LightningError { err: "as scripted".into(), action: ErrorAction::IgnoreError })
        }

        fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, TestMessage)> {
            vec![(key(2), TestMessage(7))]
        }

        fn peer_disconnected(&self, peer: PublicKey) {
            self.called(format!("-{peer}"));
        }

        fn peer_connected(&self, peer: PublicKey, _: &Init, inbound: bool) -> Result<(), ()> {
            self.called(format!("+{peer} {inbound}"));
            if self.rejected == Some(peer) { Err(()) } else { Ok(()) }
        }

        fn provided_node_features(&self) -> NodeFeatures {
            let mut features = NodeFeatures::empty();
            features.set_keysend_optional();
            features
        }

        fn provided_init_features(&self, peer: PublicKey) -> InitFeatures {
            let mut features = InitFeatures::empty();
            if peer == key(2) {
                features.set_wumbo_optional();
            }
            features
        }
    }

    fn watch(handle: &Handle, peer: u8) {
        handle.record(Event::Watch { node_id: node_id(peer) });
    }

    #[tokio::test]
    async fn connections_are_recorded_and_forwarded() {
        let service = service().await;
        let inner = Arc::new(ScriptedHandler::default());
        let recorder = LdkFitness::new(service.handle()).wrap(Arc::clone(&inner));
        watch(&service.handle(), 2);

        assert_eq!(recorder.peer_connected(key(2), &init(), true), Ok(()));
        assert_eq!(presence(&service.handle(), 2), Presence::Online);
        recorder.peer_disconnected(key(2));
        assert_eq!(presence(&service.handle(), 2), Presence::Offline);
        let expected = [format!("+{} true", key(2)), format!("-{}", key(2))];
        assert_eq!(*inner.calls.lock().unwrap(), expected);
        assert!(Arc::ptr_eq(recorder.inner(), &inner));
    }

    #[tokio::test]
    async fn peer_rejected_by_the_inner_handler_is_not_recorded() {
        let service = service().await;
        let rejected = Some(key(2));
        let recorder = LdkFitness::new(service.handle())
            .wrap(Arc::new(ScriptedHandler { rejected, ..ScriptedHandler::default() }));
        watch(&service.handle(), 2);
        assert_eq!(recorder.peer_connected(key(2), &init(), false), Err(()));
        assert_eq!(presence(&service.handle(), 2), Presence::Unobserved);
        assert_eq!(service.handle().is_connected(&node_id(2)), None);
        assert_eq!(recorder.peer_connected(key(3), &init(), false), Ok(()));
        assert_eq!(service.handle().is_connected(&node_id(3)), Some(true));
    }

    #[tokio::test]
    async fn messages_and_features_are_those_of_the_inner_handler() {
        let service = service().await;
        let inner = Arc::new(ScriptedHandler::default());
        let recorder = LdkFitness::new(service.handle()).wrap(Arc::clone(&inner));

        assert_eq!(recorder.read(40_001, &mut &[1, 2][..]).unwrap(), Some(TestMessage(258)));
        assert_eq!(recorder.read(40_001, &mut &[1][..]).unwrap_err(), DecodeError::ShortRead);
        assert_eq!(recorder.read(40_003, &mut &[1, 2][..]).unwrap(), None);

        let rejected = recorder.handle_custom_message(TestMessage(5), key(3)).unwrap_err();
        assert_eq!(rejected.err, "as scripted");
        assert_eq!(*inner.calls.lock().unwrap(), [format!("TestMessage(5) from {}", key(3))]);
        assert_eq!(recorder.get_and_clear_pending_msg(), [(key(2), TestMessage(7))]);

        assert_eq!(recorder.provided_node_features(), inner.provided_node_features());
        for peer in [key(2), key(3)] {
            assert_eq!(recorder.provided_init_features(peer), inner.provided_init_features(peer));
        }
        assert!(recorder.provided_init_features(key(2)).supports_wumbo());
    }

    /// A wallet without custom messages passes this type to LDK.
    #[tokio::test]
    async fn ignoring_message_handler_can_be_wrapped() {
        let service = service().await;
        let recorder: Arc<ConnectionRecorder<IgnoringMessageHandler>> =
            Arc::new(LdkFitness::new(service.handle()).wrap(IgnoringMessageHandler {}));
        assert_eq!(recorder.peer_connected(key(2), &init(), false), Ok(()));
        assert_eq!(service.handle().is_connected(&node_id(2)), Some(true));
        assert!(recorder.read(40_001, &mut &[1, 2][..]).unwrap().is_none());
    }
}

mod channels {
    use super::*;

    const CHANNEL: ChannelId = ChannelId([9; 32]);
    const TEMPORARY: ChannelId = ChannelId([1; 32]);

    fn funding(n: u8) -> OutPoint {
        OutPoint { txid: [n; 32], vout: n.into() }
    }

    fn pending(n: u8) -> events::Event {
        events::Event::ChannelPending {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: 1,
            former_temporary_channel_id: Some(convert::to_ldk_channel_id(&TEMPORARY)),
            counterparty_node_id: key(2),
            funding_txo: convert::to_bitcoin_outpoint(&funding(n)),
            channel_type: None,
            funding_redeem_script: None,
        }
    }

    fn ready(n: Option<u8>) -> events::Event {
        events::Event::ChannelReady {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: 1,
            counterparty_node_id: key(2),
            funding_txo: n.map(|n| convert::to_bitcoin_outpoint(&funding(n))),
            channel_type: ChannelTypeFeatures::empty(),
        }
    }

    fn closed(channel_id: ChannelId) -> events::Event {
        events::Event::ChannelClosed {
            channel_id: convert::to_ldk_channel_id(&channel_id),
            user_channel_id: 1,
            reason: ClosureReason::DisconnectedPeer,
            counterparty_node_id: Some(key(2)),
            channel_capacity_sats: None,
            channel_funding_txo: None,
            last_local_balance_msat: None,
        }
    }

    fn splice_pending(n: u8) -> events::Event {
        events::Event::SplicePending {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: 1,
            counterparty_node_id: key(2),
            new_funding_txo: convert::to_bitcoin_outpoint(&funding(n)),
            channel_type: ChannelTypeFeatures::empty(),
            new_funding_redeem_script: ScriptBuf::new(),
        }
    }

    fn splice_failed() -> events::Event {
        events::Event::SpliceFailed {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: 1,
            counterparty_node_id: key(2),
            abandoned_funding_txo: None,
            channel_type: None,
            contributed_inputs: vec![],
            contributed_outputs: vec![],
        }
    }

    fn discard(n: u8) -> events::Event {
        let OutPoint { txid, vout } = funding(n);
        let txid = convert::to_bitcoin_outpoint(&OutPoint { txid, vout }).txid;
        let outpoint = lightning::chain::transaction::OutPoint { txid, index: n.into() };
        events::Event::DiscardFunding {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            funding_info: FundingInfo::OutPoint { outpoint },
        }
    }

    /// A change of the channel in these tests.
    #[derive(Debug, PartialEq)]
    enum ChannelChange {
        Opened,
        FundingChanged(u32),
        Closed,
    }
    use ChannelChange::{Closed, FundingChanged, Opened};

    /// Records events and returns the changes that they caused.
    async fn changes(recorded: &[events::Event]) -> Vec<ChannelChange> {
        let service = service().await;
        let mut changes = service.handle().subscribe();
        let fitness = LdkFitness::new(service.handle());
        for event in recorded {
            fitness.record_event(event);
        }
        service.shutdown().await.unwrap();
        let mut seen = Vec::new();
        while let Some(Ok(change)) = changes.next().await {
            seen.push(match change {
                Change::ChannelOpened { channel_id: CHANNEL, node_id: peer, .. } if peer == node_id(2) => {
                    Opened
                }
                Change::FundingChanged { channel_id: CHANNEL, funding, .. } => FundingChanged(funding.vout),
                Change::ChannelClosed { report, .. } if report.channel_id == CHANNEL => Closed,
                other => panic!("unexpected change: {other:?}"),
            });
        }
        seen
    }

    #[tokio::test]
    async fn splice_changes_the_funding_when_locked_in() {
        let events =
            [pending(0), ready(Some(0)), splice_pending(1), ready(Some(1)), discard(0), closed(CHANNEL)];
        assert_eq!(changes(&events).await, [Opened, FundingChanged(1), Closed]);
    }

    #[tokio::test]
    async fn repeated_events_have_no_effect() {
        let twice =
            [pending(0), pending(0), ready(Some(0)), ready(Some(0)), closed(CHANNEL), closed(CHANNEL)];
        assert_eq!(changes(&twice).await, [Opened, Closed]);
        let spliced = [ready(Some(0)), ready(Some(1)), ready(Some(1))];
        assert_eq!(changes(&spliced).await, [Opened, FundingChanged(1)]);
    }

    #[tokio::test]
    async fn replaying_all_events_leads_to_the_same_state() {
        let events = [pending(0), ready(Some(0)), ready(Some(1))];
        let replayed = [&events[..], &events[..]].concat();
        assert_eq!(changes(&replayed).await.last(), Some(&FundingChanged(1)));
        let service = service().await;
        let fitness = LdkFitness::new(service.handle());
        replayed.iter().for_each(|event| fitness.record_event(event));
        let channel = service.handle().channel_by_funding(&funding(1)).unwrap();
        assert_eq!((channel.channel_id, service.handle().health().channels), (CHANNEL, 1));
        assert_eq!(service.handle().channel_by_funding(&funding(0)), None);
    }

    #[tokio::test]
    async fn missed_earlier_events_do_not_matter() {
        assert_eq!(changes(&[ready(Some(0))]).await, [Opened]);
        assert_eq!(changes(&[ready(None), ready(Some(1))]).await, [Opened, FundingChanged(1)]);
        assert!(changes(&[closed(CHANNEL)]).await.is_empty());
    }

    #[tokio::test]
    async fn close_with_the_temporary_id_is_ignored() {
        assert!(changes(&[closed(TEMPORARY)]).await.is_empty());
        assert_eq!(changes(&[pending(0), closed(TEMPORARY)]).await, [Opened]);
        assert_eq!(changes(&[pending(0), closed(CHANNEL)]).await, [Opened, Closed]);
    }

    #[tokio::test]
    async fn other_events_are_ignored() {
        assert!(changes(&[splice_pending(1), splice_failed(), discard(0)]).await.is_empty());
        let connection_needed = events::Event::ConnectionNeeded { node_id: key(2), addresses: vec![] };
        assert!(changes(&[connection_needed]).await.is_empty());
    }

    #[tokio::test]
    async fn peer_of_a_new_channel_is_online_if_its_connect_was_recorded() {
        let service = service().await;
        let handle = service.handle();
        let fitness = LdkFitness::new(handle.clone());
        let recorder = fitness.wrap(IgnoringMessageHandler {});
        recorder.peer_connected(key(2), &init(), false).unwrap();
        // During the pause the tracker discards the strangers, but the wrapper keeps them.
        fitness.pause();
        handle.record(Event::ObservationResumed);
        assert_eq!(handle.is_connected(&node_id(2)), None);
        fitness.record_event(&pending(0));
        assert_eq!(presence(&handle, 2), Presence::Online);
    }

    #[tokio::test]
    async fn peer_of_a_new_channel_is_offline_if_its_disconnect_was_recorded() {
        let service = service().await;
        let fitness = LdkFitness::new(service.handle());
        let recorder = fitness.wrap(IgnoringMessageHandler {});
        recorder.peer_connected(key(2), &init(), false).unwrap();
        recorder.peer_disconnected(key(2));
        fitness.record_event(&pending(0));
        assert_eq!(presence(&service.handle(), 2), Presence::Offline);
    }

    #[tokio::test]
    async fn without_the_wrapper_the_presence_comes_from_the_service() {
        let service = service().await;
        let fitness = LdkFitness::new(service.handle());
        fitness.record_event(&pending(0));
        assert_eq!(presence(&service.handle(), 2), Presence::Unobserved);
        fitness.record_event(&closed(CHANNEL));

        service.handle().record(Event::PeerOnline { node_id: node_id(2) });
        fitness.record_event(&pending(0));
        assert_eq!(presence(&service.handle(), 2), Presence::Online);
    }

    #[tokio::test]
    async fn channel_is_usable_once_it_is_ready() {
        let service = service().await;
        let (handle, fitness) = (service.handle(), LdkFitness::new(service.handle()));
        let recorder = fitness.wrap(IgnoringMessageHandler {});
        let usable = || handle.channel(&CHANNEL).unwrap().usable;
        recorder.peer_connected(key(2), &init(), false).unwrap();
        fitness.record_event(&pending(0));
        assert_eq!((presence(&handle, 2), usable()), (Presence::Online, Some(false)));
        fitness.record_event(&ready(Some(0)));
        assert_eq!(usable(), Some(true));
        fitness.record_event(&splice_pending(1));
        fitness.record_event(&ready(Some(1)));
        assert_eq!(usable(), Some(true));

        recorder.peer_disconnected(key(2));
        assert_eq!(usable(), Some(false));
        // Recorded while the peer is offline: ignored.
        fitness.record_event(&pending(1));
        recorder.peer_connected(key(2), &init(), false).unwrap();
        assert_eq!(usable(), Some(true));
        let report = handle.channel(&CHANNEL).unwrap();
        assert!(report.usable_ns <= report.uptime_ns && report.usable_observed_ns <= report.observed_ns);
    }

    #[tokio::test]
    async fn disconnects_after_a_logged_stall_are_attributed_to_us() {
        let log = |fitness: &LdkFitness, module_path, message: &str| {
            let args = format_args!("{message}");
            fitness.record_log(&Record::new(Level::Trace, None, None, args, module_path, "", 1, None));
        };
        let stalled = "100ms sleep took more than a second, disconnecting peers.";
        for (module_path, expected) in [
            ("lightning_background_processor", (Presence::Unobserved, 0)),
            ("lightning::ln::peer_handler", (Presence::Offline, 1)),
        ] {
            let service = service().await;
            let (handle, fitness) = (service.handle(), LdkFitness::new(service.handle()));
            let recorder = fitness.wrap(IgnoringMessageHandler {});
            recorder.peer_connected(key(2), &init(), false).unwrap();
            fitness.record_event(&pending(0));
            log(&fitness, module_path, stalled);
            assert_eq!(presence(&handle, 2), Presence::Online);
            recorder.peer_disconnected(key(2));
            let peer = handle.peer(&node_id(2)).unwrap();
            assert_eq!((peer.presence, peer.disconnects), expected);
        }
    }

    #[tokio::test]
    async fn disconnects_while_paused_are_not_charged_to_the_peers() {
        let service = service().await;
        let fitness = LdkFitness::new(service.handle());
        let recorder = fitness.wrap(IgnoringMessageHandler {});
        let opened = ChannelOpened { channel_id: CHANNEL, node_id: node_id(2), funding: None, online: None };
        service.handle().record(Event::ChannelOpened(opened));
        recorder.peer_connected(key(2), &init(), false).unwrap();
        fitness.pause();
        recorder.peer_disconnected(key(2));
        let peer = service.handle().peer(&node_id(2)).unwrap();
        assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Unobserved, 0, 0));
    }
}
