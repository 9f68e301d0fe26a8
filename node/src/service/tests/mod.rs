//! The verbs and the dialect against a real store of one member.
