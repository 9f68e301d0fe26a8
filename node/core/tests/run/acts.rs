//! What can happen in a run, and random runs of it.

use super::owners::Own;
use proptest::prelude::*;

/// What happens next. `who` is an account: 0 is bound and administers, 1 has mailed codes, 2 knows a device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    SignIn { who: usize, device: bool, always: bool },
    WrongPassword { who: usize, device: bool },
    AnswerMail { pick: usize, right: bool },
    AnswerTotp { pick: usize, offset: u64 },
    AnswerRecovery { pick: usize, code: u8 },
    SendCode { pick: usize },
    RequestReset { who: usize },
    Reset { pick: usize },
    ChangePassword { pick: usize },
    StepUp { offset: u64 },
    Refresh { pick: usize },
    EndOthers { pick: usize },
    Disable { who: usize },
    Activate { who: usize },
    SameKey { pick: usize },
    Repeat { pick: usize },
    Wait { seconds: u64 },
    Own(Own),
}

/// Random runs.
pub(crate) fn acts(acts_max: usize) -> impl Strategy<Value = Vec<Act>> {
    let (who, pick) = (0..3_usize, 0..4_usize);
    let seconds = prop::sample::select(vec![1, 29, 31, 61, 301, 601, 3_601, 90_000]);
    let act = prop_oneof![
        8 => (who.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(who, device, always)| Act::SignIn { who, device, always }),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, device)| Act::WrongPassword { who, device }),
        6 => (pick.clone(), any::<bool>()).prop_map(|(pick, right)| Act::AnswerMail { pick, right }),
        6 => (pick.clone(), 0..4_u64).prop_map(|(pick, offset)| Act::AnswerTotp { pick, offset }),
        3 => (pick.clone(), 0..12_u8).prop_map(|(pick, code)| Act::AnswerRecovery { pick, code }),
        2 => pick.clone().prop_map(|pick| Act::SendCode { pick }),
        2 => who.clone().prop_map(|who| Act::RequestReset { who }),
        3 => pick.clone().prop_map(|pick| Act::Reset { pick }),
        1 => pick.clone().prop_map(|pick| Act::ChangePassword { pick }),
        2 => (0..4_u64).prop_map(|offset| Act::StepUp { offset }),
        3 => pick.clone().prop_map(|pick| Act::Refresh { pick }),
        1 => pick.clone().prop_map(|pick| Act::EndOthers { pick }),
        1 => (1..3_usize).prop_map(|who| Act::Disable { who }),
        2 => (1..3_usize).prop_map(|who| Act::Activate { who }),
        14 => own().prop_map(Act::Own),
        3 => pick.clone().prop_map(|pick| Act::SameKey { pick }),
        3 => pick.prop_map(|pick| Act::Repeat { pick }),
        4 => seconds.prop_map(|seconds| Act::Wait { seconds }),
    ];
    prop::collection::vec(act, 0..acts_max)
}

fn own() -> impl Strategy<Value = Own> {
    let (who, pick) = (0..3_usize, 0..4_usize);
    prop_oneof![
        2 => Just(Own::AddTotp),
        3 => (0..4_u64).prop_map(|offset| Own::ConfirmTotp { offset }),
        4 => pick.clone().prop_map(|pick| Own::RemoveTotp { pick }),
        1 => Just(Own::RecoveryCodes),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, enabled)| Own::MailedCodes { who, enabled }),
        3 => (who.clone(), pick.clone()).prop_map(|(who, to)| Own::AskAddress { who, to }),
        3 => pick.clone().prop_map(|pick| Own::ProveAddress { pick }),
        2 => (0..4_u8).prop_map(|kind| Own::SetPolicy { kind }),
        2 => Just(Own::KnowDevice),
        2 => pick.clone().prop_map(|pick| Own::StepUpOnDevice { pick }),
        1 => pick.clone().prop_map(|pick| Own::ChangePasswordOnDevice { pick }),
        1 => (pick, 0..4_u64).prop_map(|(pick, offset)| Own::BindOnDevice { pick, offset }),
        1 => Just(Own::ForgetDevice),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, admin)| Own::SetRole { who, admin }),
        1 => who.prop_map(|who| Own::ResetFactors { who }),
    ]
}
