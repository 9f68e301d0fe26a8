//! Mails in Portuguese.

use super::{Details, GoodFor, Text};
use auth_core::outbox::{MailTemplate, Notice};

pub(super) fn text(template: &MailTemplate, details: Details<'_>) -> Text {
    let (subject, body) = match template {
        MailTemplate::AddressAlreadyRegistered {} => (
            "Você já tem uma conta",
            "Alguém, talvez você, pediu uma conta com este endereço de e-mail. Já existe uma, por isso nada foi \
             alterado.\n\n\
             Se foi você, entre com a conta que já tem. Se não foi, não é preciso fazer nada.\n"
                .to_owned(),
        ),
        MailTemplate::AuthenticatorAdded { username } => (
            "Um autenticador foi adicionado à sua conta",
            format!(
                "Um aplicativo autenticador acaba de ser configurado para a sua conta \"{username}\". A partir de agora, \
                 para entrar será pedido um código dele.\n\n{ALARM}"
            ),
        ),
        MailTemplate::LoginCode { username, .. } => (
            "Seu código de acesso",
            format!(
                "O código para entrar na sua conta \"{username}\" é\n\n    {}\n\n\
                 Ele vale por {} e funciona uma única vez. Ninguém que trabalha neste serviço jamais o pedirá a você.\n\n\
                 Se você não está tentando entrar agora, outra pessoa tem a sua senha: troque-a.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::ConfirmAddress { username, .. } => (
            "Confirme seu endereço de e-mail",
            format!(
                "Este endereço de e-mail deve passar a pertencer à conta \"{username}\". Para confirmá-lo, digite este \
                 código onde ele foi pedido:\n\n    {}\n\n\
                 Ele vale por {}. Se não foi você quem pediu, ignore este e-mail: sem o código nada muda.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::ResetPassword { username, .. } => (
            "Redefina sua senha",
            format!(
                "Alguém, talvez você, pediu para redefinir a senha da sua conta \"{username}\". Para escolher uma nova, \
                 digite este código onde ele foi pedido:\n\n    {}\n\n\
                 Ele vale por {} e funciona uma única vez. Se não foi você quem pediu, ignore este e-mail: sua senha \
                 continua a mesma.\n",
                details.secret,
                length(details.good_for)
            ),
        ),
        MailTemplate::AddressChanged { username } => (
            "O endereço de e-mail da sua conta foi alterado",
            format!(
                "A partir de agora, os e-mails sobre a sua conta \"{username}\" vão para outro endereço.\n\n{ALARM}"
            ),
        ),
        MailTemplate::Notice {
            username,
            what,
            client_address,
        } => notice(username, *what, client_address),
    };
    Text { subject, body }
}

const ALARM: &str = "Se não foi você, alguém entrou na sua conta: avise imediatamente quem administra este serviço.\n";

fn length(good_for: GoodFor) -> String {
    match good_for {
        GoodFor::Minutes(minutes) => format!("{minutes} minutos"),
        GoodFor::Hours(hours) => format!("{hours} horas"),
    }
}

fn notice(username: &str, what: Notice, client_address: &str) -> (&'static str, String) {
    let (subject, said) = match what {
        Notice::AuthenticatorRemoved {} => (
            "Um autenticador foi removido da sua conta",
            "Um aplicativo autenticador foi removido.".to_owned(),
        ),
        Notice::AuthenticatorDisabled {} => (
            "Um autenticador da sua conta foi desativado",
            "Houve códigos errados demais: um autenticador deixou de valer e precisa ser configurado de novo."
                .to_owned(),
        ),
        Notice::RecoveryCodeUsed { left } => (
            "Um código de recuperação foi usado",
            format!("Um dos seus códigos de recuperação foi usado para entrar. Códigos restantes: {left}."),
        ),
        Notice::RecoveryCodesIssued {} => (
            "Você tem novos códigos de recuperação",
            "Novos códigos de recuperação foram gerados. Os antigos não funcionam mais.".to_owned(),
        ),
        Notice::LoginAbandoned {} => (
            "Um acesso não foi concluído",
            "Alguém digitou a senha certa e depois nenhum código. Se não foi você, troque a sua senha.".to_owned(),
        ),
        Notice::DeviceTokenCopied {} => (
            "Um dispositivo lembrado foi esquecido",
            "Uma marca antiga de um dispositivo lembrado foi apresentada, como se tivesse sido copiada. O dispositivo \
             foi esquecido e as sessões dele foram encerradas."
                .to_owned(),
        ),
        Notice::PasswordChanged {} => ("Sua senha foi alterada", "A senha foi alterada.".to_owned()),
        Notice::AccountActivated {} => (
            "Sua conta foi ativada",
            "Um administrador ativou a sua conta. Você já pode entrar.".to_owned(),
        ),
        Notice::FactorsReset {} => (
            "Seus segundos fatores foram removidos",
            "Um administrador removeu todos os autenticadores, códigos de recuperação e dispositivos lembrados."
                .to_owned(),
        ),
        Notice::EmailFactorEnabled {} => (
            "Códigos por e-mail ativados",
            "A partir de agora, para entrar será pedido um código enviado a este endereço.".to_owned(),
        ),
        Notice::EmailFactorDisabled {} => (
            "Códigos por e-mail desativados",
            "Códigos enviados por e-mail não são mais um segundo fator desta conta.".to_owned(),
        ),
        Notice::AccountDeleted {} => ("Sua conta foi excluída", "A conta foi excluída.".to_owned()),
    };
    let from = match client_address {
        "" => String::new(),
        address => format!(" Isso foi feito a partir do endereço de rede {address}."),
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
        format!("Sobre a sua conta \"{username}\": {said}{from}\n\n{alarm}"),
    )
}
