/// A way of leading users to sites and servers: ours, or one that people use in its place.
public enum Way: String, Sendable, CaseIterable {
  /// As the topology says, with all rules.
  case ours
  /// The rules of HAProxy's architecture guide, chapter 5.
  case guide
  /// Directors set no site cookie.
  case noSiteCookie = "no-site-cookie"
  /// A name with a time to live in place of office proxies; each site stands alone.
  case dnsFailover = "dns-failover"
  /// Users go home as soon as home admits again.
  case returnAtOnce = "return-at-once"

  /// A few words, for a column of a table.
  public var title: String {
    switch self {
    case .ours: "ours"
    case .guide: "guide"
    case .noSiteCookie: "no site cookie"
    case .dnsFailover: "DNS failover"
    case .returnAtOnce: "return at once"
    }
  }

  /// The rules it leaves out.
  public var behaviour: Behaviour {
    switch self {
    case .ours: []
    case .guide:
      [
        .firstMatch, .withoutLearning, .withoutStatements, .withoutEvidence, .withoutTrials, .withoutFastChecks,
        .withoutRedispatch, .withoutPrefixRewrite,
      ]
    case .noSiteCookie: .withoutSiteCookie
    case .dnsFailover: [.sitesByName, .sitesStandAlone]
    case .returnAtOnce: .immediateFailback
    }
  }
}
