//! `matchers` and `routes`.

use super::{BadConfig, bad};

pub(super) const MATCHERS: &[BadConfig] = &[
    bad(
        "a matcher without a list",
        r#"{"matchers": {"status": 503, "outcome": "failure"}}"#,
        r#"matchers: found {"status":503,"outcome":"failure"}; expected a list of matchers, such as [{"status": 503, "outcome": "ignored"}]"#,
    ),
    bad(
        "a matcher as text",
        r#"{"matchers": ["503"]}"#,
        r#"matchers[0]: found "503"; expected an object"#,
    ),
    bad(
        "a matcher that is null",
        r#"{"matchers": [null]}"#,
        "matchers[0]: found null; expected an object",
    ),
    bad(
        "too many matchers",
        r#"{"matchers": [{"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}, {"status": 503, "outcome": "failure"}]}"#,
        "matchers: found 33 matchers; expected at most 32",
    ),
    bad(
        "an unknown field of a matcher",
        r#"{"matchers": [{"statuses": [503], "outcome": "failure"}]}"#,
        r#"matchers[0].statuses: found unknown field "statuses"; expected one of status, header, outcome (did you mean status?)"#,
    ),
    bad(
        "a matcher without an outcome",
        r#"{"matchers": [{"status": 503}]}"#,
        "matchers[0].outcome: found nothing; expected one of failure, success, ignored",
    ),
    bad(
        "a matcher that matches everything",
        r#"{"matchers": [{"status": 503, "outcome": "failure"}, {"outcome": "success"}]}"#,
        r#"matchers[1]: found {"outcome":"success"}; expected a status or a header to match, or both"#,
    ),
    bad(
        "an outcome that is not for matchers",
        r#"{"matchers": [{"status": 503, "outcome": "overload"}]}"#,
        r#"matchers[0].outcome: found "overload"; expected one of failure, success, ignored"#,
    ),
    bad(
        "an outcome nearly right",
        r#"{"matchers": [{"status": 503, "outcome": "Ignore"}]}"#,
        r#"matchers[0].outcome: found "Ignore"; expected one of failure, success, ignored (did you mean ignored?)"#,
    ),
    bad(
        "an outcome that is null",
        r#"{"matchers": [{"status": 503, "outcome": null}]}"#,
        "matchers[0].outcome: found null; expected one of failure, success, ignored",
    ),
    bad(
        "a matcher of a status that none can have",
        r#"{"matchers": [{"status": 99, "outcome": "failure"}]}"#,
        r#"matchers[0].status: found 99; expected a status from 100 to 599, a range such as "500-599", or a list of both"#,
    ),
    bad(
        "a matcher of a status in quotes",
        r#"{"matchers": [{"status": "503", "outcome": "failure"}]}"#,
        r#"matchers[0].status: found "503"; expected a status from 100 to 599, a range such as "500-599", or a list of both"#,
    ),
    bad(
        "a matcher of no statuses",
        r#"{"matchers": [{"status": [], "outcome": "failure"}]}"#,
        r#"matchers[0].status: found []; expected a status from 100 to 599, a range such as "500-599", or a list of both"#,
    ),
    bad(
        "a matcher of any status",
        r#"{"matchers": [{"status": "any", "outcome": "failure"}]}"#,
        r#"matchers[0].status: found "any"; expected a status from 100 to 599, a range such as "500-599", or a list of both"#,
    ),
    bad(
        "a matcher of a range in a list that runs backwards",
        r#"{"matchers": [{"status": [501, "529-520"], "outcome": "failure"}]}"#,
        r#"matchers[0].status[1]: found "529-520"; expected a status from 100 to 599 or a range such as "500-599""#,
    ),
    bad(
        "a matcher of a header by its name alone",
        r#"{"matchers": [{"header": "x-app-error", "outcome": "failure"}]}"#,
        r#"matchers[0].header: found "x-app-error"; expected an object"#,
    ),
    bad(
        "a matcher of a header without a name",
        r#"{"matchers": [{"header": {"present": true}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.name: found nothing; expected the name of a response header, such as "x-app-error""#,
    ),
    bad(
        "a matcher of a header without a condition",
        r#"{"matchers": [{"header": {"name": "x-app-error"}, "outcome": "failure"}]}"#,
        r#"matchers[0].header: found {"name":"x-app-error"}; expected exactly one of present, exact, prefix beside the name"#,
    ),
    bad(
        "a matcher of a header with two conditions",
        r#"{"matchers": [{"header": {"name": "x-app-error", "present": true, "exact": "1"}, "outcome": "failure"}]}"#,
        r#"matchers[0].header: found {"name":"x-app-error","present":true,"exact":"1"}; expected exactly one of present, exact, prefix beside the name"#,
    ),
    bad(
        "a matcher of a header with another condition",
        r#"{"matchers": [{"header": {"name": "x-app-error", "regex": ".*"}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.regex: found unknown field "regex"; expected one of present, exact, prefix, name"#,
    ),
    bad(
        "a matcher of a header that is not there",
        r#"{"matchers": [{"header": {"name": "x-app-error", "present": false}, "outcome": "failure"}]}"#,
        "matchers[0].header.present: found false; expected true",
    ),
    bad(
        "a matcher of a pseudo-header",
        r#"{"matchers": [{"header": {"name": ":status", "exact": "503"}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.name: found ":status"; expected the name of a response header, such as "x-app-error""#,
    ),
    bad(
        "a matcher of a header with a space in its name",
        r#"{"matchers": [{"header": {"name": "x app", "present": true}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.name: found "x app"; expected the name of a response header, such as "x-app-error""#,
    ),
    bad(
        "a matcher of a header that begins with anything",
        r#"{"matchers": [{"header": {"name": "x-app-error", "prefix": ""}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.prefix: found ""; expected the beginning of a header's value, without control characters and white space before it"#,
    ),
    bad(
        "a matcher of a header that begins with a space",
        r#"{"matchers": [{"header": {"name": "x-app-error", "prefix": " a"}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.prefix: found " a"; expected the beginning of a header's value, without control characters and white space before it"#,
    ),
    bad(
        "a matcher of a header that ends with a space",
        r#"{"matchers": [{"header": {"name": "x-app-error", "exact": "a "}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.exact: found "a "; expected the value of a header, without control characters and white space around it"#,
    ),
    bad(
        "a matcher of a header with a line break",
        r#"{"matchers": [{"header": {"name": "x-app-error", "exact": "a\nb"}, "outcome": "failure"}]}"#,
        r#"matchers[0].header.exact: found "a\nb"; expected the value of a header, without control characters and white space around it"#,
    ),
    bad(
        "a matcher of a header with a number",
        r#"{"matchers": [{"header": {"name": "x-retries", "exact": 1}, "outcome": "failure"}]}"#,
        "matchers[0].header.exact: found 1; expected the value of a header, without control characters and white space around it",
    ),
    bad(
        "a matcher of a header with too long a value",
        r#"{"matchers": [{"header": {"name": "x-app-error", "exact": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}, "outcome": "failure"}]}"#,
        "matchers[0].header.exact: found 1025 bytes; expected at most 1024 bytes",
    ),
    bad(
        "a cluster's matcher with a mistake",
        r#"{"clusters": {"a": {"matchers": [{"status": 0, "outcome": "failure"}]}}}"#,
        r#"clusters.a.matchers[0].status: found 0; expected a status from 100 to 599, a range such as "500-599", or a list of both"#,
    ),
    bad(
        "routes as a list",
        r#"{"routes": [{"name": "a"}]}"#,
        r#"routes: found [{"name":"a"}]; expected an object"#,
    ),
    bad(
        "a route without a name",
        r#"{"routes": {"": {}}}"#,
        r#"routes."": found ""; expected the name of a route"#,
    ),
    bad(
        "the same route twice",
        r#"{"routes": {"a": {}, "a": {}}}"#,
        "routes.a: found a second block for this route; expected each route at most once",
    ),
    bad(
        "a route with a section of clusters",
        r#"{"routes": {"a": {"retry": {"num_retries": 2}}}}"#,
        r#"routes.a.retry.num_retries: found unknown field "num_retries"; expected one of idempotency_key"#,
    ),
    bad(
        "a route's matcher with a mistake",
        r#"{"routes": {"a": {"matchers": [{"status": 600, "outcome": "failure"}]}}}"#,
        r#"routes.a.matchers[0].status: found 600; expected a status from 100 to 599, a range such as "500-599", or a list of both"#,
    ),
    bad(
        "routes of a single cluster",
        r#"{"clusters": {"a": {"routes": {}}}}"#,
        r#"clusters.a.routes: found unknown field "routes"; expected one of standby_cluster, outlier_detection, retry, picking, probe, matchers, hosts"#,
    ),
];
