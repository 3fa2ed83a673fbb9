//! Names of policies.

use fascine::schedule::Policy;

pub(crate) fn name(policy: Policy) -> &'static str {
    match policy {
        Policy::SubmitEach => "submit-each",
        Policy::TimeOnly => "time-only",
        Policy::OnePass => "one-pass",
        Policy::Bundled => "bundled",
        Policy::Together => "together",
    }
}
