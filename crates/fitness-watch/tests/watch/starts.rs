//! Errors of `WatcherBuilder::start`.

use fitness_core::Event;
use fitness_watch::{Address, StartError, Watcher};

use crate::support::*;

#[tokio::test]
async fn starting_without_targets_is_an_error() {
    let service = service().await;
    assert!(matches!(Watcher::builder(service.handle()).start(), Err(StartError::NoTargets)));
}

#[tokio::test]
async fn an_onion_address_requires_a_proxy_and_a_failed_start_changes_nothing() {
    let (service, node, other) = (service().await, node(1), node(2));
    let handle = service.handle();
    handle.record(Event::Watch { node_id: id(&other) });
    let onion: Address = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion".parse().unwrap();
    let error = builder(&handle, target(&other)).targets([target_at(&node, onion)]).start().unwrap_err();
    assert!(matches!(error, StartError::OnionWithoutProxy { node_id } if node_id == id(&node)), "{error:?}");
    assert!(handle.peer(&id(&node)).is_none() && handle.peer(&id(&other)).unwrap().watched);
}

#[test]
fn starting_outside_a_runtime_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (service, node) = (runtime.block_on(service()), node(1));
    let error = builder(&service.handle(), target(&node)).start().unwrap_err();
    assert!(matches!(error, StartError::NoRuntime), "{error:?}");
}
