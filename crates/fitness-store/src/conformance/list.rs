//! The list of the cases, and the macros that make something of each.

/// One `#[test]` for each case of the suite, in a module `conformance`.
///
/// Takes a [`Harness`](crate::conformance::Harness), and before it the attributes that each test
/// is to have, if any.
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
/// The only list there is: a case that is missing here is dead code to the compiler.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_conformance_case {
    ($then:ident $($arguments:tt)*) => {
        $then! {
            $($arguments)*
            records::an_empty_store_answers,
            records::a_peer_comes_back,
            records::extreme_values_come_back,
            records::channels_keep_their_order,
            records::every_account_of_a_channel_comes_back,
            records::a_record_is_overwritten,
            records::the_last_of_duplicates_counts,
            records::the_observer_comes_back,
            records::observers_are_listed_in_order,
            records::an_observer_is_listed_with_its_record,
            records::an_unreadable_record_is_refused,
            records::dropping_a_store_loses_nothing,
            records::a_store_works_as_a_trait_object,
            pages::pages_cover_everything_once,
            pages::a_short_page_is_the_last,
            pages::order_is_that_of_the_bytes,
            pages::a_page_may_start_after_an_absent_peer,
            pages::a_limit_may_be_huge,
            segments::a_segment_comes_back,
            segments::extreme_segments_come_back,
            segments::the_last_segment_is_stored_again,
            segments::ranges_of_segments,
            segments::order_is_that_of_the_numbers,
            segments::only_those_of_the_peer,
            segments::a_log_may_have_holes,
            gaps::a_gap_comes_back,
            gaps::extreme_gaps_come_back,
            gaps::a_gap_is_overwritten,
            gaps::gaps_ascend_by_number,
            gaps::ranges_of_gaps,
            gaps::old_gaps_are_deleted,
            gaps::deleting_gaps_comes_after_writing_them,
            gaps::gaps_are_no_part_of_a_log,
            replacements::a_replacement_replaces_exactly_its_range,
            replacements::a_replacement_may_delete_alone,
            replacements::extreme_ranges_are_replaced,
            replacements::forgetting_comes_before_replacing,
            replacements::writing_comes_after_replacing,
            replacements::replacements_are_done_in_their_order,
            replacements::an_absent_peer_is_passed_over,
            replacements::a_forgotten_peer_is_passed_over,
            replacements::a_replacement_that_is_none_is_refused,
            replacements::many_logs_are_replaced_at_once,
            sizes::a_huge_batch_comes_back_whole,
            sizes::a_peer_may_have_thousands_of_channels,
            sizes::a_log_may_have_hundreds_of_segments,
            sizes::there_may_be_thousands_of_gaps,
            isolation::observers_do_not_see_each_other,
            isolation::neighbouring_ids_are_kept_apart,
            isolation::forgetting_stays_with_its_observer,
            isolation::deleting_stays_with_its_observer,
            batches::an_empty_batch_does_nothing,
            batches::a_heartbeat_changes_nothing_else,
            batches::a_batch_lands_as_a_whole,
            batches::a_refused_batch_leaves_no_trace,
            batches::a_refused_batch_is_not_there_after_reopening,
            batches::a_batch_committed_again_changes_nothing,
            batches::a_batch_committed_again_later_counts,
            batches::forgetting_takes_the_log_along,
            batches::forgetting_takes_nothing_else,
            batches::forgetting_comes_before_writing,
            batches::forgetting_the_unknown_is_no_error,
            batches::many_are_forgotten_at_once,
            claims::a_second_claim_is_refused,
            claims::of_many_who_claim_at_once_one_has_it,
            claims::a_claim_ends_when_it_is_dropped,
            claims::a_claim_ends_with_its_store,
            claims::a_claim_is_for_one_observer,
            claims::whoever_has_a_claim_commits,
            concurrency::readers_see_whole_batches,
            concurrency::readers_see_whole_batches_of_many,
            concurrency::pages_hold_while_peers_come_and_go,
            in_flight::commits_land_in_their_order,
            in_flight::commits_from_two_threads_both_land,
            in_flight::observers_that_commit_at_once_keep_apart,
            in_flight::a_log_is_replaced_while_it_grows,
            in_flight::a_replaced_log_goes_with_its_peer,
            abandoned::a_dropped_commit_is_whole_or_absent,
            abandoned::a_dropped_commit_never_lands_late,
            model::whatever_is_done_reads_are_as_documented,
        }
    };
}

/// A test for each case.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($attributes:tt $($module:ident::$case:ident,)*) => {
        $(__conformance_test! { $attributes $case })*
    };
}

/// A test for one case.
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
