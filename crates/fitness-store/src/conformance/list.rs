//! The list of all cases, and the macros that turn each case into a test.

/// Creates a module `conformance` with one `#[test]` for each case of the suite.
///
/// The argument is a type that implements [`Harness`](crate::conformance::Harness). Attributes before it
/// are applied to every test.
#[macro_export]
macro_rules! conformance_suite {
    ($(#[$($attribute:tt)*])* $harness:ty) => {
        mod conformance {
            use super::*;
            use $crate::{__conformance_test, __conformance_tests, __for_each_conformance_case};

            type SuiteHarness = $harness;

            __for_each_conformance_case! { __conformance_tests [$(#[$($attribute)*])*] }
        }
    };
}

/// Calls the macro `$then` with its arguments and the list of all cases.
///
/// This is the only list of cases. The compiler reports a case that is missing here as dead code.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_conformance_case {
    ($then:ident $($arguments:tt)*) => {
        $then! {
            $($arguments)*
            records::empty_store_returns_nothing,
            records::peer_round_trips,
            records::extreme_peer_values_round_trip,
            records::channel_order_is_preserved,
            records::channel_readiness_and_usability_round_trip,
            records::peer_record_is_overwritten,
            records::last_duplicate_in_batch_wins,
            records::observer_record_round_trips,
            records::observers_are_listed_in_order,
            records::observer_is_listed_once_its_record_is_stored,
            records::invalid_record_is_rejected,
            records::committed_data_survives_dropping_the_store,
            records::store_works_as_trait_object,
            pages::pages_return_each_peer_exactly_once,
            pages::short_page_is_the_last_page,
            pages::peers_are_ordered_by_node_id_bytes,
            pages::page_can_start_after_absent_peer,
            pages::maximum_limit_returns_all,
            segments::segment_round_trips,
            segments::extreme_segments_round_trip,
            segments::last_segment_can_be_rewritten,
            segments::segment_reads_respect_start_and_limit,
            segments::segments_are_ordered_by_index,
            segments::segments_of_other_peers_are_excluded,
            segments::missing_segment_indices_are_skipped,
            gaps::gap_round_trips,
            gaps::extreme_gaps_round_trip,
            gaps::gap_is_overwritten,
            gaps::gaps_are_ordered_by_number,
            gaps::gap_reads_respect_start_and_limit,
            gaps::gaps_before_the_given_number_are_pruned,
            gaps::gaps_are_pruned_after_being_written,
            gaps::gaps_are_unaffected_by_other_changes,
            replacements::replacement_affects_only_its_range,
            replacements::replacement_without_segments_deletes,
            replacements::extreme_ranges_are_replaced,
            replacements::peers_are_forgotten_before_logs_are_replaced,
            replacements::segments_are_written_after_logs_are_replaced,
            replacements::replacements_are_applied_in_order,
            replacements::replacement_for_absent_peer_is_skipped,
            replacements::replacement_for_forgotten_peer_is_skipped,
            replacements::invalid_replacement_is_rejected,
            replacements::many_logs_are_replaced_in_one_batch,
            sizes::large_batch_round_trips,
            sizes::peer_can_have_thousands_of_channels,
            sizes::log_can_have_hundreds_of_segments,
            sizes::observer_can_have_thousands_of_gaps,
            isolation::observers_are_isolated,
            isolation::adjacent_ids_do_not_overlap,
            isolation::forgetting_affects_only_its_observer,
            isolation::pruning_and_replacing_affect_only_their_observer,
            batches::empty_batch_changes_nothing,
            batches::heartbeat_changes_only_the_observer_record,
            batches::batch_is_stored_completely,
            batches::rejected_batch_changes_nothing,
            batches::rejected_batch_is_absent_after_reopening,
            batches::repeated_commit_is_idempotent,
            batches::earlier_batch_committed_again_takes_effect,
            batches::forgetting_a_peer_deletes_its_log,
            batches::forgetting_a_peer_deletes_nothing_else,
            batches::peers_are_forgotten_before_records_are_written,
            batches::forgetting_an_absent_peer_is_not_an_error,
            batches::many_peers_are_forgotten_in_one_batch,
            claims::second_claim_is_rejected,
            claims::concurrent_claims_grant_exactly_one,
            claims::claim_ends_when_dropped,
            claims::observer_can_be_claimed_again_after_reopening,
            claims::claim_covers_one_observer,
            claims::commits_succeed_with_and_without_a_claim,
            concurrent_reads::reads_never_see_partial_batches,
            concurrent_reads::reads_never_see_partial_batches_of_many_observers,
            concurrent_reads::paging_is_stable_while_peers_change,
            concurrent_commits::commits_are_applied_in_order,
            concurrent_commits::commits_from_two_threads_are_both_stored,
            concurrent_commits::concurrent_observers_are_isolated,
            concurrent_commits::log_can_be_replaced_while_it_grows,
            concurrent_commits::forgetting_deletes_log_during_replacement,
            dropped_commits::dropped_commit_is_atomic,
            dropped_commits::dropped_commit_never_overwrites_newer_data,
            model::random_operations_match_the_model,
        }
    };
}

/// Creates a test for each case.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($attributes:tt $($module:ident::$case:ident,)*) => {
        $(__conformance_test! { $attributes $case })*
    };
}

/// Creates a test for one case.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    ([$($attributes:tt)*] $case:ident) => {
        $($attributes)*
        #[test]
        fn $case() {
            $crate::conformance::run::<SuiteHarness>(stringify!($case));
        }
    };
}
