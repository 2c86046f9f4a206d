//! `LdkFitness` without a node: a scripted custom message handler, and LDK's events made by hand.
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

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
    struct Note(u16);

    impl Type for Note {
        fn type_id(&self) -> u16 {
            40_001
        }
    }

    impl Writeable for Note {
        fn write<W: Writer>(&self, writer: &mut W) -> Result<(), io::Error> {
            self.0.write(writer)
        }
    }

    /// Refuses one peer, and answers everything with something recognisable.
    #[derive(Default)]
    struct Scripted {
        refused: Option<PublicKey>,
        calls: Mutex<Vec<String>>,
    }

    impl Scripted {
        fn called(&self, call: String) {
            self.calls.lock().unwrap().push(call);
        }
    }

    impl CustomMessageReader for Scripted {
        type CustomMessage = Note;

        fn read<R: LengthLimitedRead>(
            &self,
            message_type: u16,
            buffer: &mut R,
        ) -> Result<Option<Note>, DecodeError> {
            match message_type {
                40_001 => {
                    let mut bytes = [0; 2];
                    buffer.read_exact(&mut bytes).map_err(|_| DecodeError::ShortRead)?;
                    Ok(Some(Note(u16::from_be_bytes(bytes))))
                }
                _ => Ok(None),
            }
        }
    }

    impl CustomMessageHandler for Scripted {
        fn handle_custom_message(&self, msg: Note, sender: PublicKey) -> Result<(), LightningError> {
            self.called(format!("{msg:?} from {sender}"));
            Err(LightningError { err: "as scripted".into(), action: ErrorAction::IgnoreError })
        }

        fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, Note)> {
            vec![(key(2), Note(7))]
        }

        fn peer_disconnected(&self, peer: PublicKey) {
            self.called(format!("-{peer}"));
        }

        fn peer_connected(&self, peer: PublicKey, _: &Init, inbound: bool) -> Result<(), ()> {
            self.called(format!("+{peer} {inbound}"));
            if self.refused == Some(peer) { Err(()) } else { Ok(()) }
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

    fn watched(handle: &Handle, peer: u8) {
        handle.record(Event::Watch { node_id: node_id(peer) });
    }

    #[tokio::test]
    async fn connections_are_reported_and_passed_on() {
        let service = service().await;
        let inner = Arc::new(Scripted::default());
        let observer = LdkFitness::new(service.handle()).wrap(Arc::clone(&inner));
        watched(&service.handle(), 2);

        assert_eq!(observer.peer_connected(key(2), &init(), true), Ok(()));
        assert_eq!(presence(&service.handle(), 2), Presence::Online);
        observer.peer_disconnected(key(2));
        assert_eq!(presence(&service.handle(), 2), Presence::Offline);
        let expected = [format!("+{} true", key(2)), format!("-{}", key(2))];
        assert_eq!(*inner.calls.lock().unwrap(), expected);
        assert!(Arc::ptr_eq(observer.inner(), &inner));
    }

    #[tokio::test]
    async fn a_peer_that_the_inner_handler_refuses_was_never_online() {
        let service = service().await;
        let refused = Some(key(2));
        let observer =
            LdkFitness::new(service.handle()).wrap(Arc::new(Scripted { refused, ..Scripted::default() }));
        watched(&service.handle(), 2);
        assert_eq!(observer.peer_connected(key(2), &init(), false), Err(()));
        assert_eq!(presence(&service.handle(), 2), Presence::Unobserved);
        assert_eq!(service.handle().is_connected(&node_id(2)), None);
        assert_eq!(observer.peer_connected(key(3), &init(), false), Ok(()));
        assert_eq!(service.handle().is_connected(&node_id(3)), Some(true));
    }

    #[tokio::test]
    async fn messages_and_features_are_the_inner_handlers_own() {
        let service = service().await;
        let inner = Arc::new(Scripted::default());
        let observer = LdkFitness::new(service.handle()).wrap(Arc::clone(&inner));

        assert_eq!(observer.read(40_001, &mut &[1, 2][..]).unwrap(), Some(Note(258)));
        assert_eq!(observer.read(40_001, &mut &[1][..]).unwrap_err(), DecodeError::ShortRead);
        assert_eq!(observer.read(40_003, &mut &[1, 2][..]).unwrap(), None);

        let refused = observer.handle_custom_message(Note(5), key(3)).unwrap_err();
        assert_eq!(refused.err, "as scripted");
        assert_eq!(*inner.calls.lock().unwrap(), [format!("Note(5) from {}", key(3))]);
        assert_eq!(observer.get_and_clear_pending_msg(), [(key(2), Note(7))]);

        assert_eq!(observer.provided_node_features(), inner.provided_node_features());
        for peer in [key(2), key(3)] {
            assert_eq!(observer.provided_init_features(peer), inner.provided_init_features(peer));
        }
        assert!(observer.provided_init_features(key(2)).supports_wumbo());
    }

    /// The shape in which a wallet without custom messages hands it to LDK.
    #[tokio::test]
    async fn ldks_own_empty_handler_can_be_wrapped() {
        let service = service().await;
        let observer: Arc<ConnectionRecorder<IgnoringMessageHandler>> =
            Arc::new(LdkFitness::new(service.handle()).wrap(IgnoringMessageHandler {}));
        assert_eq!(observer.peer_connected(key(2), &init(), false), Ok(()));
        assert_eq!(service.handle().is_connected(&node_id(2)), Some(true));
        assert!(observer.read(40_001, &mut &[1, 2][..]).unwrap().is_none());
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

    /// What a list of events changed, in short words.
    async fn changes(told: &[events::Event]) -> Vec<String> {
        let service = service().await;
        let mut changes = service.handle().subscribe();
        let fitness = LdkFitness::new(service.handle());
        for event in told {
            fitness.record_event(event);
        }
        service.shutdown().await.unwrap();
        let mut words = Vec::new();
        while let Some(Ok(change)) = changes.next().await {
            words.push(match change {
                Change::ChannelOpened { channel_id: CHANNEL, node_id: peer, .. } if peer == node_id(2) => {
                    "opened".into()
                }
                Change::FundingChanged { channel_id: CHANNEL, funding, .. } => {
                    format!("at {}", funding.vout)
                }
                Change::ChannelClosed { report, .. } if report.channel_id == CHANNEL => "closed".into(),
                other => format!("{other:?}"),
            });
        }
        words
    }

    #[tokio::test]
    async fn a_life_with_a_splice() {
        let life =
            [pending(0), ready(Some(0)), splice_pending(1), ready(Some(1)), discard(0), closed(CHANNEL)];
        assert_eq!(changes(&life).await, ["opened", "at 1", "closed"]);
    }

    #[tokio::test]
    async fn events_told_twice_are_told_once() {
        let twice =
            [pending(0), pending(0), ready(Some(0)), ready(Some(0)), closed(CHANNEL), closed(CHANNEL)];
        assert_eq!(changes(&twice).await, ["opened", "closed"]);
        let spliced = [ready(Some(0)), ready(Some(1)), ready(Some(1))];
        assert_eq!(changes(&spliced).await, ["opened", "at 1"]);
    }

    #[tokio::test]
    async fn a_replay_of_everything_ends_where_it_ended_before() {
        let life = [pending(0), ready(Some(0)), ready(Some(1))];
        let replayed = [&life[..], &life[..]].concat();
        assert_eq!(changes(&replayed).await.last().unwrap(), "at 1");
        let service = service().await;
        let fitness = LdkFitness::new(service.handle());
        replayed.iter().for_each(|event| fitness.record_event(event));
        let channel = service.handle().channel_by_funding(&funding(1)).unwrap();
        assert_eq!((channel.channel_id, service.handle().health().channels), (CHANNEL, 1));
        assert_eq!(service.handle().channel_by_funding(&funding(0)), None);
    }

    #[tokio::test]
    async fn a_channel_of_which_only_the_later_events_are_seen() {
        assert_eq!(changes(&[ready(Some(0))]).await, ["opened"]);
        assert_eq!(changes(&[ready(None), ready(Some(1))]).await, ["opened", "at 1"]);
        assert!(changes(&[closed(CHANNEL)]).await.is_empty());
    }

    #[tokio::test]
    async fn closed_before_it_was_funded() {
        assert!(changes(&[closed(TEMPORARY)]).await.is_empty());
        assert_eq!(changes(&[pending(0), closed(TEMPORARY)]).await, ["opened"]);
        assert_eq!(changes(&[pending(0), closed(CHANNEL)]).await, ["opened", "closed"]);
    }

    #[tokio::test]
    async fn all_other_events_are_ignored() {
        assert!(changes(&[splice_pending(1), splice_failed(), discard(0)]).await.is_empty());
        let connection_needed = events::Event::ConnectionNeeded { node_id: key(2), addresses: vec![] };
        assert!(changes(&[connection_needed]).await.is_empty());
    }

    #[tokio::test]
    async fn the_new_channels_peer_is_online_if_it_was_reported_to_be() {
        let service = service().await;
        let handle = service.handle();
        let fitness = LdkFitness::new(handle.clone());
        let observer = fitness.wrap(IgnoringMessageHandler {});
        observer.peer_connected(key(2), &init(), false).unwrap();
        // In the pause the tracker forgets the strangers; the wrapper does not.
        fitness.pause();
        handle.record(Event::ObservationResumed);
        assert_eq!(handle.is_connected(&node_id(2)), None);
        fitness.record_event(&pending(0));
        assert_eq!(presence(&handle, 2), Presence::Online);
    }

    #[tokio::test]
    async fn the_new_channels_peer_is_offline_if_it_was_not_reported() {
        let service = service().await;
        let fitness = LdkFitness::new(service.handle());
        let observer = fitness.wrap(IgnoringMessageHandler {});
        observer.peer_connected(key(2), &init(), false).unwrap();
        observer.peer_disconnected(key(2));
        fitness.record_event(&pending(0));
        assert_eq!(presence(&service.handle(), 2), Presence::Offline);
    }

    #[tokio::test]
    async fn without_the_wrapper_the_new_channels_peer_is_as_the_service_knows_it() {
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
    async fn a_channel_is_usable_from_when_it_is_ready() {
        let service = service().await;
        let (handle, fitness) = (service.handle(), LdkFitness::new(service.handle()));
        let observer = fitness.wrap(IgnoringMessageHandler {});
        let usable = || handle.channel(&CHANNEL).unwrap().usable;
        observer.peer_connected(key(2), &init(), false).unwrap();
        fitness.record_event(&pending(0));
        assert_eq!((presence(&handle, 2), usable()), (Presence::Online, Some(false)));
        fitness.record_event(&ready(Some(0)));
        assert_eq!(usable(), Some(true));
        fitness.record_event(&splice_pending(1));
        fitness.record_event(&ready(Some(1)));
        assert_eq!(usable(), Some(true));

        observer.peer_disconnected(key(2));
        assert_eq!(usable(), Some(false));
        // Told too late: the channel is as it was.
        fitness.record_event(&pending(1));
        observer.peer_connected(key(2), &init(), false).unwrap();
        assert_eq!(usable(), Some(true));
        let report = handle.channel(&CHANNEL).unwrap();
        assert!(report.usable_ns <= report.uptime_ns && report.usable_observed_ns <= report.observed_ns);
    }

    #[tokio::test]
    async fn whom_ldk_drops_because_it_was_held_up_was_lost_by_us() {
        let log = |fitness: &LdkFitness, module_path, message: &str| {
            let args = format_args!("{message}");
            fitness.record_log(&Record::new(Level::Trace, None, None, args, module_path, "", 1, None));
        };
        let held_up = "100ms sleep took more than a second, disconnecting peers.";
        for (module_path, expected) in [
            ("lightning_background_processor", (Presence::Unobserved, 0)),
            ("lightning::ln::peer_handler", (Presence::Offline, 1)),
        ] {
            let service = service().await;
            let (handle, fitness) = (service.handle(), LdkFitness::new(service.handle()));
            let observer = fitness.wrap(IgnoringMessageHandler {});
            observer.peer_connected(key(2), &init(), false).unwrap();
            fitness.record_event(&pending(0));
            log(&fitness, module_path, held_up);
            assert_eq!(presence(&handle, 2), Presence::Online);
            observer.peer_disconnected(key(2));
            let peer = handle.peer(&node_id(2)).unwrap();
            assert_eq!((peer.presence, peer.disconnects), expected);
        }
    }

    #[tokio::test]
    async fn our_own_shutdown_is_not_held_against_the_peers() {
        let service = service().await;
        let fitness = LdkFitness::new(service.handle());
        let observer = fitness.wrap(IgnoringMessageHandler {});
        let opened = ChannelOpened { channel_id: CHANNEL, node_id: node_id(2), funding: None, online: None };
        service.handle().record(Event::ChannelOpened(opened));
        observer.peer_connected(key(2), &init(), false).unwrap();
        fitness.pause();
        observer.peer_disconnected(key(2));
        let peer = service.handle().peer(&node_id(2)).unwrap();
        assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Unobserved, 0, 0));
    }
}
