//! Which fault strikes which request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, FaultKind};

/// The faults that are set, oldest first.
#[derive(Default)]
pub(crate) struct FaultPlan {
    faults: Mutex<Vec<Fault>>,
}

impl FaultPlan {
    pub(crate) fn add(&self, fault: Fault) {
        self.faults().push(fault);
    }

    pub(crate) fn clear(&self) {
        self.faults().clear();
    }

    /// The fault for a request to `operation`. Every matching fault counts the request;
    /// the first one that is due strikes, and is spent when its count runs out.
    pub(crate) fn strike(&self, operation: &str) -> Option<FaultKind> {
        let mut faults = self.faults();
        let mut due = None;
        for (index, fault) in faults.iter_mut().enumerate() {
            if fault.operation != "*" && fault.operation != operation {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if due.is_none() {
                due = Some(index);
            }
        }
        let index = due?;
        let kind = faults[index].kind.clone();
        match faults[index].count {
            0 => {}
            1 => drop(faults.remove(index)),
            _ => faults[index].count -= 1,
        }
        Some(kind)
    }

    fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultKind, FaultPlan};

    #[test]
    fn after_count_and_order() {
        let plan = FaultPlan::default();
        let delay = |milliseconds| FaultKind::Delay { milliseconds };
        plan.add(Fault { after: 1, count: 2, ..Fault::once("token", delay(1)) });
        plan.add(Fault::once("*", delay(2)));
        let struck = |operation: &str| match plan.strike(operation) {
            Some(FaultKind::Delay { milliseconds }) => milliseconds,
            _ => 0,
        };
        assert_eq!(struck("token"), 2);
        assert_eq!(struck("GetId"), 0);
        assert_eq!(struck("token"), 1);
        assert_eq!(struck("token"), 1);
        assert_eq!(struck("token"), 0);
    }
}
