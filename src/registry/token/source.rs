//! Where tokens come from, and how they are asked for.

use reqwest::Url;
use zeroize::Zeroizing;

/// Where a token comes from and what it is for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenSource {
    pub(super) realm: Url,
    pub(super) service: String,
    pub(super) scope: String,
}

impl TokenSource {
    /// The parameters of a request for a token.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let service = Some(("service", self.service.as_str()));
        let scopes = self.scope.split(' ').map(|scope| ("scope", scope));
        let all = service.into_iter().chain(scopes);
        all.filter(|(_, value)| !value.is_empty())
    }

    /// What is posted with a refresh token.
    pub(super) fn form(&self, token: &str) -> Zeroizing<String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("client_id", "archmatch");
        form.append_pair("refresh_token", token);
        form.append_pair("service", &self.service);
        form.append_pair("scope", &self.scope);
        form.finish().into()
    }
}

/// The usual scope of a pull.
pub(super) fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}
