//! Loops of a request, trip by trip.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Frame, Given, MAX_WAYS, Produced, Staged};
use crate::error::{Error, Result};
use crate::plan::stage::{self, Stage, Taken, Yielded};
use crate::runtime::model::Inner;
use crate::tensor::Tensor;

/// A loop, trip by trip.
pub(in crate::runtime) struct Repeat {
    about: stage::Repeat,
    body: Arc<Staged>,
    /// What follows, by the number of trips, the most recently used last.
    after: Mutex<Vec<(usize, Arc<Following>)>>,
}

/// What follows a loop, and what each of its inputs is.
struct Following {
    staged: Arc<Staged>,
    inputs: Vec<Taken>,
}

/// A loop between two trips.
#[derive(Clone)]
pub(in crate::runtime) struct Under {
    /// The inputs of the whole.
    given: Vec<Given>,
    /// Trips begun.
    trip: usize,
    /// The most trips, where that is limited.
    count: Option<usize>,
    carried: Vec<Given>,
    /// By output that gathers, by trip.
    gathered: Vec<Vec<Given>>,
}

impl Repeat {
    pub(super) fn new(mut about: stage::Repeat) -> Self {
        let body = Staged::new(std::mem::replace(&mut about.body, Stage::empty()));
        Repeat { about, body, after: Mutex::default() }
    }

    fn at(&self, error: Error) -> Error {
        error.at_node(&self.about.node.name, self.about.node.operator())
    }

    /// What `taken` is before a trip or after the last.
    fn taken(under: &Under, taken: &Taken) -> Result<Given> {
        Ok(match taken {
            Taken::Counter => Given::Host(Tensor::scalar(under.trip as i64)),
            Taken::Condition => Given::Host(Tensor::scalar(true)),
            Taken::Carried(index) => under.carried[*index].clone(),
            Taken::Gathered { output, trip } => under.gathered[*output][*trip].clone(),
            Taken::Input(index) => under.given[*index].clone(),
            Taken::Value(tensor) => Given::Host(tensor.clone()),
        })
    }

    /// The loop before its first trip; none is to be made if its count is 0.
    pub(super) fn begin(&self, given: Vec<Given>) -> Result<Under> {
        let about = &self.about;
        let gathered = vec![Vec::new(); about.outputs.len().saturating_sub(1 + about.carried.len())];
        let mut under = Under { given, trip: 0, count: None, carried: Vec::new(), gathered };
        let host = |under: &Under, taken: &Option<Taken>| match taken.as_ref().map(|taken| Self::taken(under, taken)) {
            None => Ok(None),
            Some(Ok(Given::Host(tensor))) => Ok(Some(tensor)),
            Some(_) => Err(Error::internal("what a loop is to do is not on the host")),
        };
        if let Some(count) = host(&under, &about.count)? {
            let count = one(&count, Tensor::as_slice::<i64>).map_err(|error| self.at(error))?;
            under.count = Some(usize::try_from(count.max(0)).unwrap_or(usize::MAX));
        }
        if let Some(condition) = host(&under, &about.condition)?
            && !one(&condition, Tensor::as_slice::<bool>).map_err(|error| self.at(error))?
        {
            under.count = Some(0);
        }
        let most = about.limits().max_trips;
        if about.steady && under.count.is_none_or(|count| count > most) {
            let trips = under.count.map_or("endless".to_owned(), |count| count.to_string());
            return Err(self.at(Error::limit(format!("{trips} trips, more than `max_trips` of {most}"))));
        }
        under.carried = about.carried.iter().map(|taken| Self::taken(&under, taken)).collect::<Result<_>>()?;
        Ok(under)
    }

    /// The stage that is next, with its inputs: another trip, or what follows the last.
    pub(super) fn next(
        self: Arc<Self>,
        model: &Inner,
        under: Under,
        stack: &mut Vec<Frame>,
    ) -> Result<(Arc<Staged>, Vec<Given>)> {
        let inputs = |list: &[Taken]| list.iter().map(|taken| Self::taken(&under, taken)).collect::<Result<Vec<_>>>();
        if under.count.is_none_or(|count| under.trip < count) {
            let most = self.about.limits().max_trips;
            if under.trip >= most {
                return Err(self.at(Error::limit(format!("after {most} trips, `max_trips`, it has not ended"))));
            }
            let (staged, inputs) = (self.body.clone(), inputs(&self.about.inputs)?);
            stack.push(Frame::Trip { repeat: self, under });
            return Ok((staged, inputs));
        }
        let following = self.following(model, under.trip)?;
        Ok((following.staged.clone(), inputs(&following.inputs)?))
    }

    /// The loop after a trip that gave `produced`.
    pub(super) fn after(&self, mut under: Under, mut produced: Vec<Produced>) -> Result<Under> {
        let about = &self.about;
        let mut given = about.outputs.iter().map(|output| match output {
            Yielded::Made(index) => produced[*index].given(),
            Yielded::Passed(taken) => Self::taken(&under, taken),
        });
        let condition = given.next().ok_or_else(|| Error::internal("a loop without a condition"))??;
        let mut given = given.collect::<Result<Vec<_>>>()?.into_iter();
        let Given::Host(condition) = condition else {
            return Err(Error::internal("whether a loop goes on is not on the host"));
        };
        under.trip += 1;
        if !one(&condition, Tensor::as_slice::<bool>).map_err(|error| self.at(error))? {
            under.count = Some(under.trip);
        }
        under.carried = given.by_ref().take(about.carried.len()).collect();
        under.gathered.iter_mut().zip(given).for_each(|(gathered, one)| gathered.push(one));
        Ok(under)
    }

    fn following(&self, model: &Inner, trips: usize) -> Result<Arc<Following>> {
        let lock = || self.after.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut known = lock();
            if let Some(index) = known.iter().position(|&(count, _)| count == trips) {
                let entry = known.remove(index);
                let following = entry.1.clone();
                known.push(entry);
                return Ok(following);
            }
        }
        let (stage, inputs) = self.about.after(trips, model.next_stage())?;
        let following = Arc::new(Following { staged: Staged::new(stage), inputs });
        let mut known = lock();
        if known.len() >= MAX_WAYS {
            known.remove(0);
        }
        known.push((trips, following.clone()));
        Ok(following)
    }
}

/// Whether a value of one element says yes; its number.
fn one<T: Copy>(tensor: &Tensor, take: impl Fn(&Tensor) -> Result<&[T]>) -> Result<T> {
    match take(tensor)? {
        &[value] => Ok(value),
        list => Err(Error::shape(format!("a loop's condition or number of trips has {} elements", list.len()))),
    }
}
