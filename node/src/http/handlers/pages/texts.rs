//! Every sentence of the pages, one struct per page, so that another language is another value of [`Texts`].
//!
//! Words only: no markup, no decisions. What a service says about a field (its message) comes from the service.

/// All words of all pages in one language.
pub(crate) struct Texts {
    /// BCP 47 tag of the language.
    pub(crate) lang: &'static str,
    pub(crate) layout: Layout,
    pub(crate) home: Home,
    pub(crate) signup: Signup,
    pub(crate) login: Login,
    pub(crate) verify: Verify,
    pub(crate) enrol: Enrol,
    pub(crate) welcome: Welcome,
    pub(crate) notices: Notices,
    pub(crate) refusals: Refusals,
    pub(crate) errors: Errors,
}

pub(crate) struct Layout {
    pub(crate) brand: &'static str,
    pub(crate) skip: &'static str,
    pub(crate) footer: &'static str,
    /// Before the title of a page that shows an error, so that it is the first thing that is read out.
    pub(crate) error_title: &'static str,
}

pub(crate) struct Home {
    pub(crate) title: &'static str,
    pub(crate) heading: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) steps: [Step; 3],
    pub(crate) signup: &'static str,
    pub(crate) login: &'static str,
}

pub(crate) struct Step {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
}

pub(crate) struct Signup {
    pub(crate) title: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) username: &'static str,
    pub(crate) username_hint: &'static str,
    pub(crate) email: &'static str,
    pub(crate) password: &'static str,
    pub(crate) password_hint: &'static str,
    pub(crate) password_again: &'static str,
    pub(crate) passwords_differ: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) other: &'static str,
    pub(crate) other_link: &'static str,
}

pub(crate) struct Login {
    pub(crate) title: &'static str,
    pub(crate) step: &'static str,
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) other: &'static str,
    pub(crate) other_link: &'static str,
}

pub(crate) struct Verify {
    pub(crate) title: &'static str,
    pub(crate) step: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) code: &'static str,
    pub(crate) code_hint: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) other: &'static str,
    pub(crate) other_link: &'static str,
}

pub(crate) struct Enrol {
    pub(crate) title: &'static str,
    pub(crate) step: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) scan: &'static str,
    pub(crate) scan_text: &'static str,
    pub(crate) qr_label: &'static str,
    pub(crate) by_hand: &'static str,
    pub(crate) by_hand_text: &'static str,
    pub(crate) same_device: &'static str,
    pub(crate) confirm: &'static str,
    pub(crate) code: &'static str,
    pub(crate) code_hint: &'static str,
    pub(crate) submit: &'static str,
}

pub(crate) struct Welcome {
    pub(crate) title: &'static str,
    pub(crate) congratulations: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) proven: [&'static str; 2],
    pub(crate) signed_in_as: &'static str,
    pub(crate) since: &'static str,
    pub(crate) logout: &'static str,
}

/// Good or neutral news on top of a page, chosen by a word in the query.
pub(crate) struct Notices {
    pub(crate) account_created: &'static str,
    pub(crate) login_expired: &'static str,
    pub(crate) logged_out: &'static str,
}

/// Why a form was not accepted.
pub(crate) struct Refusals {
    pub(crate) fields: &'static str,
    pub(crate) username_taken: &'static str,
    pub(crate) credentials: &'static str,
    pub(crate) code: &'static str,
    pub(crate) too_many: &'static str,
    pub(crate) factor_disabled: &'static str,
    /// Units for "try again in …": one and many of each.
    pub(crate) seconds: [&'static str; 2],
    pub(crate) minutes: [&'static str; 2],
}

/// The pages that stand in for an answer that is not there.
pub(crate) struct Errors {
    pub(crate) bad_request: ErrorPage,
    pub(crate) forbidden: ErrorPage,
    pub(crate) not_found: ErrorPage,
    pub(crate) method_not_allowed: ErrorPage,
    pub(crate) too_large: ErrorPage,
    pub(crate) media_type: ErrorPage,
    pub(crate) fault: ErrorPage,
    pub(crate) unavailable: ErrorPage,
    pub(crate) try_again: &'static str,
    pub(crate) home: &'static str,
    pub(crate) reference: &'static str,
}

pub(crate) struct ErrorPage {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
}

/// English.
pub(crate) static ENGLISH: Texts = Texts {
    lang: "en",
    layout: Layout {
        brand: "tfauth",
        skip: "Skip to the content",
        footer: "Password and code, kept on several machines at once.",
        error_title: "Error",
    },
    home: Home {
        title: "Two-factor sign-in",
        heading: "Two-factor sign-in that survives a dead machine.",
        lead: "Sign in with a password and a code from your phone. Several machines keep every account, so losing one of \
               them locks nobody out.",
        steps: [
            Step {
                title: "Sign up",
                text: "Choose a user name and a password.",
            },
            Step {
                title: "Connect an app",
                text: "Scan a QR code with an authenticator app, once.",
            },
            Step {
                title: "Log in",
                text: "Password first, then the six digits that the app shows.",
            },
        ],
        signup: "Sign up",
        login: "Log in",
    },
    signup: Signup {
        title: "Sign up",
        lead: "You will connect an authenticator app the first time you log in.",
        username: "User name",
        username_hint: "You log in with it. No spaces.",
        email: "Email address",
        password: "Password",
        password_hint: "At least 8 characters. A few random words make a good one; you can paste it.",
        password_again: "Password, once more",
        passwords_differ: "The two passwords are not the same.",
        submit: "Sign up",
        other: "You have an account?",
        other_link: "Log in",
    },
    login: Login {
        title: "Log in",
        step: "Step 1 of 2: password",
        username: "User name",
        password: "Password",
        submit: "Continue",
        other: "No account yet?",
        other_link: "Sign up",
    },
    verify: Verify {
        title: "Enter your code",
        step: "Step 2 of 2: code",
        lead: "Open your authenticator app and type the six digits that it shows for tfauth.",
        code: "Code",
        code_hint: "Six digits. Each code works once.",
        submit: "Log in",
        other: "Not you?",
        other_link: "Start again",
    },
    enrol: Enrol {
        title: "Connect your authenticator app",
        step: "Step 2 of 2: connect an app, once",
        lead: "From now on you log in with a code from an app on your phone. Any authenticator app will do.",
        scan: "Scan this code",
        scan_text: "In the app, add an account and point the camera here.",
        qr_label: "QR code with the key for your authenticator app. The same key is written below.",
        by_hand: "Or type the key by hand",
        by_hand_text: "Kind of code: time based, six digits, 30 seconds.",
        same_device: "The app is on this device: open it",
        confirm: "Confirm with the first code",
        code: "Code",
        code_hint: "The six digits that the app shows now.",
        submit: "Connect and log in",
    },
    welcome: Welcome {
        title: "Welcome",
        congratulations: "Congratulations",
        lead: "You have authenticated with two factors:",
        proven: [
            "something you know: your password",
            "something you have: your authenticator app",
        ],
        signed_in_as: "Signed in as",
        since: "Since",
        logout: "Log out",
    },
    notices: Notices {
        // Whether the address has an account already is told to its owner only, so this must be true in both cases.
        account_created: "Thank you. Log in now to connect your authenticator app. If the email address belongs to another \
                          account, only its owner is told.",
        login_expired: "This login took too long, had too many wrong codes, or was finished elsewhere. Please start again.",
        logged_out: "You are logged out.",
    },
    refusals: Refusals {
        fields: "Please check the fields that are marked below.",
        username_taken: "This user name is taken. Please choose another one.",
        credentials: "Invalid credentials. The user name or the password is not right.",
        code: "Invalid code. It is wrong, too old, or was used before. Wait for the next one and try again.",
        too_many: "Too many attempts. Try again in",
        factor_disabled: "This authenticator was switched off after too many wrong codes. Please contact the operator of this service.",
        seconds: ["second", "seconds"],
        minutes: ["minute", "minutes"],
    },
    errors: Errors {
        bad_request: ErrorPage {
            title: "That could not be read",
            text: "The form arrived damaged. Please go back, reload the page and try again.",
        },
        forbidden: ErrorPage {
            title: "This form is out of date",
            text: "To keep you safe, a form is accepted only from this site and only while its page is fresh. Nothing was \
                   changed. Open the page again and retry; cookies must be allowed.",
        },
        not_found: ErrorPage {
            title: "Page not found",
            text: "There is nothing at this address. It may have been mistyped.",
        },
        method_not_allowed: ErrorPage {
            title: "That does not work here",
            text: "This address does not take that kind of request.",
        },
        too_large: ErrorPage {
            title: "That is too much",
            text: "What you sent is larger than this service accepts. Nothing was changed.",
        },
        media_type: ErrorPage {
            title: "That could not be read",
            text: "This address takes forms only.",
        },
        fault: ErrorPage {
            title: "Something went wrong",
            text: "The fault is ours and has been noted. Please try again in a moment.",
        },
        unavailable: ErrorPage {
            title: "Just a moment",
            text: "The service cannot answer right now. It usually recovers within seconds, without anybody's help. Please \
                   try again.",
        },
        try_again: "Try again",
        home: "To the start page",
        reference: "Reference",
    },
};
