//! What people say about answers, before the table of outcomes.

use crate::config::{HeaderCondition, HeaderMatcher, MatchedOutcome, Matcher};
use crate::model::{FailureOrigin, Outcome};

/// The outcome that the first of `matchers` gives an answer that a host made. `header` gives the first value of one of
/// its headers; it is asked for no more than is needed.
pub fn matched<'m>(
    matchers: impl IntoIterator<Item = &'m Matcher>,
    status: u16,
    mut header: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Option<Outcome> {
    let matcher = matchers.into_iter().find(|matcher| {
        let by_status = matcher.statuses.is_empty() || matcher.statuses.iter().any(|range| range.contains(&status));
        by_status && matcher.header.as_ref().is_none_or(|wanted| has(wanted, &mut header))
    })?;
    Some(match matcher.outcome {
        MatchedOutcome::Failure => Outcome::Failure(FailureOrigin::External {
            gateway: matches!(status, 502..=504),
        }),
        MatchedOutcome::Success => Outcome::Success,
        MatchedOutcome::Ignored => Outcome::Ignored,
    })
}

fn has(wanted: &HeaderMatcher, header: &mut impl FnMut(&str) -> Option<Vec<u8>>) -> bool {
    let Some(value) = header(&wanted.name) else {
        return false;
    };
    match &wanted.value {
        HeaderCondition::Present => true,
        HeaderCondition::Exact(text) => value == text.as_bytes(),
        HeaderCondition::Prefix(text) => value.starts_with(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(
        statuses: &[std::ops::RangeInclusive<u16>],
        header: Option<HeaderCondition>,
        outcome: MatchedOutcome,
    ) -> Matcher {
        Matcher {
            statuses: statuses.to_vec(),
            header: header.map(|value| HeaderMatcher {
                name: "x-app".to_owned(),
                value,
            }),
            outcome,
        }
    }

    const BAD: Outcome = Outcome::Failure(FailureOrigin::External { gateway: false });

    #[test]
    fn the_first_match_wins_and_no_match_says_nothing() {
        let matchers = [
            matcher(&[501..=501], None, MatchedOutcome::Ignored),
            matcher(&[500..=599], None, MatchedOutcome::Failure),
            matcher(&[404..=404, 410..=410], None, MatchedOutcome::Success),
        ];
        let outcome = |status| matched(&matchers, status, |_| None);
        assert_eq!(outcome(501), Some(Outcome::Ignored));
        assert_eq!(outcome(500), Some(BAD));
        assert_eq!(
            outcome(503),
            Some(Outcome::Failure(FailureOrigin::External { gateway: true }))
        );
        assert_eq!([outcome(404), outcome(410)], [Some(Outcome::Success); 2]);
        assert_eq!(outcome(200), None);
    }

    #[test]
    fn headers_match_by_presence_value_and_prefix_and_need_their_status_too() {
        for (condition, value, matches) in [
            (HeaderCondition::Present, Some(""), true),
            (HeaderCondition::Present, None, false),
            (HeaderCondition::Exact("no".to_owned()), Some("no"), true),
            (HeaderCondition::Exact("no".to_owned()), Some("not"), false),
            (HeaderCondition::Prefix("no".to_owned()), Some("not"), true),
            (HeaderCondition::Prefix("no".to_owned()), Some("yes"), false),
        ] {
            let matchers = [matcher(&[200..=299], Some(condition), MatchedOutcome::Failure)];
            let value = value.map(|text| text.as_bytes().to_vec());
            assert_eq!(
                matched(&matchers, 200, |_| value.clone()).is_some(),
                matches,
                "{matchers:?}"
            );
            assert_eq!(matched(&matchers, 404, |_| value.clone()), None);
        }
    }
}
