/// One request through the tiers: who was asked, why, and what came of it. What `topology explain` shows.
public struct Explanation: Sendable, Equatable, Encodable {
  /// The network's name.
  public var network: String
  /// The node the user asked.
  public var entry: String
  /// The port of it that was asked; nil: that of its first listener.
  public var port: UInt16?
  /// What the connection's TLS asks for at a relay; nil: nothing.
  public var serverName: String?
  /// The method.
  public var method: String
  /// The host asked for; nil: none.
  public var host: String?
  /// The field `Cookie` of the request; empty: none.
  public var cookie: String
  /// Elements that are down, as they were named: a site stands for everything at it.
  public var down: [String]
  /// Links that are cut: `OP1:SITE1` both ways, `OP1>SITE1` one way.
  public var cuts: [String]
  /// Nobody has noticed yet; else every checker has.
  public var isFresh: Bool
  /// The client's own order of sites, where the first node goes by it; nil: it has one order for all.
  public var geography: Geography?
  /// What the first node did; the nodes behind it are in its attempts.
  public var visit: Visit
  /// What the user got.
  public var result: Outcome
  /// What users get whose requests come while no trial is due, which is most of them; nil: the same.
  public var others: Outcome?

  /// The order of sites of a client.
  public struct Geography: Sendable, Equatable, Encodable {
    /// The client's address; nil: it was not told.
    public var client: String?
    /// Names of the sites, the preferred one first.
    public var sites: [String]
    /// Why in this order, as a sentence.
    public var why: String

    /// An order by its parts.
    public init(client: String?, sites: [String], why: String) {
      self.client = client
      self.sites = sites
      self.why = why
    }
  }

  /// What one node did with the request.
  public struct Visit: Sendable, Equatable, Encodable {
    /// Its name.
    public var node: String
    /// `office-proxy`, `site-director`, `site-balancer` or `relay`.
    public var role: String
    /// Its site; nil for an office.
    public var site: String?
    /// Addresses that its connections leave from, one of a kind, as `source` says; nil: those that the kernel chooses.
    public var sources: [String]?
    /// The application it found by the host, or a relay's pool by the name that TLS asks for; nil: none is for it.
    public var application: String?
    /// The field `Cookie` as it came; empty: none.
    public var cookie: String
    /// What the node reads in it, as a sentence.
    public var binding: String
    /// Attempts in order; the last one may have been answered.
    public var attempts: [Attempt]
    /// The status it answered; 0: a relay answers nothing itself, but for its monitor.
    public var status: Int
    /// The address of another site that the user was sent on to; nil: not sent on.
    public var redirect: String?
    /// The error type of RFC 9209 when the answer is its own, or a relay's alert; nil: it passed an answer on.
    public var error: String?
    /// The field values of `Set-Cookie` that it added or changed.
    public var setCookies: [String]
    /// What else follows for later requests.
    public var notes: [String]
  }

  /// One attempt of a node.
  public struct Attempt: Sendable, Equatable, Encodable {
    /// The server it went to.
    public var server: String
    /// Why: the word of the access log.
    public var reason: String
    /// Why, as a sentence.
    public var why: String
    /// All candidates as they stood before it, the first choice first.
    public var candidates: [Candidate]
    /// What came of it, as a sentence.
    public var outcome: String
    /// Milliseconds lost waiting for a connection.
    public var waitedMilliseconds: Double
    /// What the node did that was reached; nil: none was, or it is an application server.
    public var visit: Visit?
  }

  /// A candidate before an attempt.
  public struct Candidate: Sendable, Equatable, Encodable {
    /// Its name.
    public var name: String
    /// Its site.
    public var site: String
    /// Its tier, 0 first; where sites are taken in the client's own order, the place of the tier in that.
    public var tier: Int
    /// The request's cookie names it.
    public var isNamed: Bool
    /// The attempt went to it.
    public var isChosen: Bool
    /// Where it stands: a word, as of `Standing.Rank`.
    public var standing: String
    /// Why it is or is not the choice, as a sentence.
    public var why: String
  }

  /// What the user got.
  public struct Outcome: Sendable, Equatable, Encodable {
    /// The status.
    public var status: Int
    /// The address of another site that the user is sent on to; nil: not sent on.
    public var redirect: String?
    /// The application server that answered, or to which a relay connected; nil: a node answered, or nobody.
    public var server: String?
    /// The elements on the way, from the first node to the one that answered.
    public var path: [String]
    /// Links that the request went over.
    public var links: [Crossing]
    /// Milliseconds one way over these links.
    public var latencyMilliseconds: Double
    /// Milliseconds lost waiting for connections.
    public var waitedMilliseconds: Double
    /// What became of the session.
    public var session: String
    /// Cookies of the browser afterwards, as in the field `Cookie`.
    public var cookieAfter: String
  }

  /// A link that a request went over.
  public struct Crossing: Sendable, Equatable, Encodable {
    /// Where from, the name of an office or a site.
    public var from: String
    /// Where to.
    public var to: String
    /// One way; nil: the file says nothing of the link.
    public var latencyMilliseconds: Double?
    /// What 10^9 bytes cost; nil: the file says nothing of the link.
    public var costPerGigabyte: Double?
    /// Both ends are sites.
    public var isInterSite: Bool
  }
}
