//! What the scheduler decided beside a real device, decided again without one.
#![cfg(feature = "cli")]

use std::time::Duration;

use fascine::reference::{Case, Suite};
use fascine::schedule::log::{Event, Log, ScheduleLog};
use fascine::schedule::{Admission, Cancelled, Outcome, replay};
use fascine::{ErrorKind, LoadOptions, Model, Options, RequestBuilder, Runtime};

const ZOO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zoo");

fn load(runtime: &Runtime, name: &str) -> (Suite, Model) {
    let suite = Suite::open(ZOO, name).unwrap();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with(&suite.model, &options).unwrap();
    (suite, model)
}

fn request(model: &Model, case: &Case) -> RequestBuilder {
    let inputs = case.inputs.iter();
    inputs.fold(model.request(), |request, (name, tensor)| request.input(name, tensor.clone()).unwrap())
}

#[test]
fn real_models_on_a_real_device_replay_to_the_same_decisions() {
    let record = ScheduleLog::default();
    let runtime = Runtime::new(Options { schedule_log: Some(record.clone()), ..Options::default() }).unwrap();
    let models = ["lstm_vad", "minilm"].map(|name| load(&runtime, name));
    let mut done = 0;
    for round in 0..2 {
        let mut requests = Vec::new();
        for (suite, model) in &models {
            let case = &suite.cases[0];
            for deadline in [Duration::from_millis(2), Duration::from_secs(60)] {
                requests.push((case, request(model, case).deadline(deadline).submit().unwrap()));
            }
            requests.push((case, request(model, case).submit().unwrap()));
        }
        // Cancelled while the others keep the device busy.
        let (suite, model) = &models[1];
        drop(request(model, &suite.cases[0]).submit().unwrap());
        let frame = |admission| {
            request(model, &suite.cases[0]).key(7).deadline(Duration::from_secs(60)).admission(admission).submit()
        };
        let frames = [Admission::RunLate, Admission::DropLate].map(|admission| frame(admission).unwrap());
        for (case, request) in requests {
            let completion = request.wait().unwrap();
            case.check(completion.outputs()).unwrap_or_else(|why| panic!("{}, round {round}: {why}", case.name));
            done += 1;
        }
        for frame in frames {
            let kind = frame.wait().err().map(|error| error.kind());
            assert!(matches!(kind, None | Some(ErrorKind::Superseded | ErrorKind::Dropped)), "{kind:?}");
        }
    }
    // The engine answers in order: what it was told before is done.
    runtime.stats().unwrap();
    let text = serde_json::to_string(&record.log()).unwrap();
    let log: Log = serde_json::from_str(&text).unwrap();
    assert!(log == record.log(), "{} events", log.events.len());
    let replayed = replay(&log).unwrap();
    assert!(replayed.requests >= done && replayed.submissions > 20, "{replayed:?}");

    let ended = |outcome| {
        let all = log.events.iter().filter_map(|event| match event {
            Event::Ended { ended } => Some(ended),
            _ => None,
        });
        all.flatten().filter(|ended| ended.outcome == outcome).count()
    };
    let cancels = log
        .events
        .iter()
        .filter(|event| matches!(event, Event::Cancel { cancelled: Cancelled::Ended | Cancelled::Draining, .. }));
    println!("{} bytes of {replayed:?}", text.len());
    println!("superseded {}, late {}", ended(Outcome::Superseded), ended(Outcome::CompletedLate));
    assert!(cancels.count() > 0 && ended(Outcome::Cancelled) > 0, "nothing was cancelled");
    assert!(ended(Outcome::Superseded) > 0, "nothing was superseded");
    assert!(ended(Outcome::Completed) + ended(Outcome::CompletedLate) >= done);
}
