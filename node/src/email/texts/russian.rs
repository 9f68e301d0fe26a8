//! Mails in Russian.

use super::{Details, GoodFor, Text};
use auth_core::outbox::{MailTemplate, Notice};

pub(super) fn text(template: &MailTemplate, details: Details<'_>) -> Text {
    let (subject, body) = match template {
        MailTemplate::AddressAlreadyRegistered {} => (
            "У вас уже есть учётная запись",
            "Кто-то, возможно вы, попытался создать учётную запись с этим адресом. Она уже существует, поэтому ничего не \
             изменилось.\n\n\
             Если это были вы, войдите в уже существующую учётную запись. Если нет, ничего делать не нужно.\n"
                .to_owned(),
        ),
        MailTemplate::AuthenticatorAdded { username } => (
            "К вашей учётной записи добавлен аутентификатор",
            format!(
                "Для вашей учётной записи «{username}» только что настроено приложение-аутентификатор. Теперь при входе \
                 потребуется код из него.\n\n{ALARM}"
            ),
        ),
        MailTemplate::LoginCode { username, .. } => (
            "Ваш код для входа",
            format!(
                "Код для входа в вашу учётную запись «{username}»:\n\n    {}\n\n\
                 Он действует {} и срабатывает один раз. Сотрудники этой службы никогда не спросят его у вас.\n\n\
                 Если вы сейчас не входите, значит, ваш пароль известен кому-то ещё: смените его.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::ConfirmAddress { username, .. } => (
            "Подтвердите адрес электронной почты",
            format!(
                "Этот адрес должен принадлежать учётной записи «{username}». Чтобы подтвердить его, введите этот код там, \
                 где его попросили:\n\n    {}\n\n\
                 Он действует {}. Если вы этого не запрашивали, не обращайте внимания на письмо: без кода ничего не \
                 изменится.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::ResetPassword { username, .. } => (
            "Сброс пароля",
            format!(
                "Кто-то, возможно вы, запросил сброс пароля вашей учётной записи «{username}». Чтобы задать новый пароль, \
                 введите этот код там, где его попросили:\n\n    {}\n\n\
                 Он действует {} и срабатывает один раз. Если вы этого не запрашивали, не обращайте внимания на письмо: \
                 пароль останется прежним.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::AddressChanged { username } => (
            "Адрес вашей учётной записи изменён",
            format!("Письма о вашей учётной записи «{username}» теперь приходят на другой адрес.\n\n{ALARM}"),
        ),
        MailTemplate::Notice {
            username,
            what,
            client_address,
        } => notice(username, *what, client_address),
    };
    Text { subject, body }
}

const ALARM: &str = "Если это были не вы, кто-то получил доступ к вашей учётной записи: немедленно сообщите администрации этой службы.\n";

/// Short forms: the full ones would have to agree with the number.
fn length(good_for: GoodFor) -> String {
    match good_for {
        GoodFor::Minutes(minutes) => format!("{minutes} мин."),
        GoodFor::Hours(hours) => format!("{hours} ч."),
    }
}

fn notice(username: &str, what: Notice, client_address: &str) -> (&'static str, String) {
    let (subject, said) = match what {
        Notice::AuthenticatorRemoved {} => (
            "Аутентификатор удалён из вашей учётной записи",
            "Приложение-аутентификатор удалено.".to_owned(),
        ),
        Notice::AuthenticatorDisabled {} => (
            "Аутентификатор вашей учётной записи отключён",
            "Было введено слишком много неверных кодов, поэтому приложение-аутентификатор больше не действует. Его нужно \
             настроить заново."
                .to_owned(),
        ),
        Notice::RecoveryCodeUsed { left } => (
            "Использован код восстановления",
            format!("Один из ваших кодов восстановления использован для входа. Осталось кодов: {left}."),
        ),
        Notice::RecoveryCodesIssued {} => (
            "У вас новые коды восстановления",
            "Созданы новые коды восстановления. Старые больше не действуют.".to_owned(),
        ),
        Notice::LoginAbandoned {} => (
            "Вход не был завершён",
            "Кто-то ввёл верный пароль, но не ввёл код. Если это были не вы, смените пароль.".to_owned(),
        ),
        Notice::DeviceTokenCopied {} => (
            "Запомненное устройство забыто",
            "Предъявлена старая метка запомненного устройства, как будто её скопировали. Устройство забыто, его сеансы \
             завершены."
                .to_owned(),
        ),
        Notice::PasswordChanged {} => ("Ваш пароль изменён", "Пароль изменён.".to_owned()),
        Notice::AccountActivated {} => (
            "Ваша учётная запись активирована",
            "Администратор активировал вашу учётную запись. Теперь вы можете войти.".to_owned(),
        ),
        Notice::FactorsReset {} => (
            "Ваши вторые факторы удалены",
            "Администратор удалил все аутентификаторы, коды восстановления и запомненные устройства.".to_owned(),
        ),
        Notice::EmailFactorEnabled {} => (
            "Коды по почте включены",
            "Теперь при входе потребуется код, который придёт на этот адрес.".to_owned(),
        ),
        Notice::EmailFactorDisabled {} => (
            "Коды по почте отключены",
            "Коды, присылаемые по почте, больше не являются вторым фактором этой учётной записи.".to_owned(),
        ),
        Notice::AccountDeleted {} => ("Ваша учётная запись удалена", "Учётная запись удалена.".to_owned()),
    };
    let from = match client_address {
        "" => String::new(),
        address => format!(" Это сделано с сетевого адреса {address}."),
    };
    let alarm = match what {
        Notice::AccountActivated {} => "",
        Notice::AuthenticatorRemoved {}
        | Notice::AuthenticatorDisabled {}
        | Notice::RecoveryCodeUsed { .. }
        | Notice::RecoveryCodesIssued {}
        | Notice::LoginAbandoned {}
        | Notice::DeviceTokenCopied {}
        | Notice::PasswordChanged {}
        | Notice::FactorsReset {}
        | Notice::EmailFactorEnabled {}
        | Notice::EmailFactorDisabled {}
        | Notice::AccountDeleted {} => ALARM,
    };
    (
        subject,
        format!("О вашей учётной записи «{username}»: {said}{from}\n\n{alarm}"),
    )
}
