import Foundation
import Testing
import Topology
import TopologyFile

/// What the language says of TLS, and what the nodes' plans make of it.
@Suite struct TLSTests {
  private static let text = """
    geodirector: 1
    defaults:
      office-proxy:
        user: proxy
        upstream: {tls: {ca: pki/ca.pem, certificate: "pki/{node}.pem", minimum: "1.3"}}
      site-balancer: {group: web}
    applications:
      - name: shop
        cookies: {site: SITE, key-file: cookies.keys, signing: require}
        check: {http: {path: /health}}
    sites:
      - name: HOME
        directors:
          - name: SD1
            listen:
              - address: "127.0.0.1:8443"
                public: true
                tls:
                  certificates: ["pki/{node}.pem", {certificate: b.crt, key: b.key, ocsp: b.der}]
                  minimum: "1.3"
                  strict: true
                  ticket-keys: "{node}.keys"
                  ticket-rotation: 1h
                  require: client-certificate
                  client-ca: ca.pem
                  client-names: [OP1, "*.offices.example"]
                hsts: {max-age: 365d, subdomains: true}
              - {address: "127.0.0.1:8080", redirect: {port: 8443, status: 301}}
          - {name: SD2, listen: "127.0.0.1:8002", advertise: "sd2.example:443", tls: {ca: public.pem, verify: false}}
          - {name: SD3, listen: "127.0.0.1:8003"}
        balancers: [{name: L, listen: {address: "127.0.0.1:8004", tls: l.pem}}]
        servers:
          - {name: W1, address: "127.0.0.1:9001", tls: {name: w1.example, ca: w.pem}}
          - {name: W2, address: "w2.example:9002", tls: true}
          - {name: W3, address: "127.0.0.1:9003"}
    offices: [{name: OP1, listen: "127.0.0.1:8000"}]
    """

  private func topology(_ text: String = text) throws -> Topology {
    let (topology, diagnostics) = TopologyLoader.load(text: text, file: "tls.yaml")
    #expect(diagnostics.filter { $0.severity == .error } == [])
    return try #require(topology)
  }

  @Test func aListenersPlanNamesItsFilesAndWhomItLetsIn() throws {
    let plan = try topology().plan(for: "SD1")
    var tls = ListenerTLSPlan(certificates: [
      CertificatePlan(path: "pki/SD1.pem"), CertificatePlan(path: "b.crt", keyPath: "b.key", staplePath: "b.der"),
    ])
    tls.minimum = .tls13
    tls.isStrict = true
    tls.ticketKeyPath = "SD1.keys"
    tls.ticketRotation = .seconds(3_600)
    tls.clients = ClientCertificatePlan(authorityPath: "ca.pem", names: ["OP1", "*.offices.example"])
    #expect(plan.listeners[0].tls == tls)
    #expect(plan.listeners[0].strictTransport?.fieldValue == "max-age=31536000; includeSubDomains")
    #expect(plan.listeners[0].secureRedirect == nil)
    #expect(plan.listeners[1].tls == nil)
    #expect(plan.listeners[1].secureRedirect == SecureRedirectPlan(port: 8443, status: 301))
  }

  @Test func nodesAreReachedByTLSWhenTheirFirstListenerHasIt() throws {
    let plan = try topology().plan(for: "OP1")
    let servers = plan.applications[0].pool.servers
    var expected = ServerTLSPlan(name: "SD1")
    expected.authorityPath = "pki/ca.pem"
    expected.minimum = .tls13
    expected.certificate = CertificatePlan(path: "pki/OP1.pem")
    #expect(servers[0].tls == expected)
    // Its own word stands above the office's; its name is that of its address.
    expected.name = "sd2.example"
    expected.authorityPath = "public.pem"
    expected.verifies = false
    #expect(servers[1].tls == expected)
    #expect(servers[2].tls == nil)
    // Without a monitor a node is checked as it is used.
    #expect(servers[0].liveness?.tls == servers[0].tls)
    #expect(servers[2].liveness?.tls == nil)
    #expect(plan.user == "proxy")
    #expect(plan.group == nil)
  }

  @Test func serversAreReachedAsTheyAreTold() throws {
    let plan = try topology().plan(for: "L")
    let servers = plan.applications[0].pool.servers
    var first = ServerTLSPlan(name: "w1.example")
    first.authorityPath = "w.pem"
    #expect(servers.map(\.tls) == [first, ServerTLSPlan(name: "w2.example"), nil])
    #expect(servers.map { $0.liveness?.tls } == servers.map(\.tls))
    #expect(plan.group == "web")
    #expect(plan.applications[0].cookie?.signing == CookieSigningPlan(keyPath: "cookies.keys", phase: .require))
  }

  @Test(arguments: [
    ("tls-hello", CheckPlan.Kind.tlsHello(name: "w1.example"), false),
    ("{tls-hello: {}}", .tlsHello(name: "w1.example"), false),
    ("{http: {tls: false}}", .http(.standard), false), ("{http: {tls: true}}", .http(.standard), true),
    ("tcp", .tcp, false),
  ])
  func checksUseTLSAsTheyAreTold(check: String, kind: CheckPlan.Kind, hasTLS: Bool) throws {
    let text = Self.text.replacing("{http: {path: /health}}", with: check)
    let servers = try topology(text).plan(for: "L").applications[0].pool.servers
    #expect(servers[0].liveness?.kind == kind)
    for server in servers { #expect((server.liveness?.tls != nil) == hasTLS) }
  }

  @Test(arguments: [("accept", CookieSigningPlan.Phase.accept), ("issue", .issue), ("require", .require)])
  func thePhasesOfSigningHaveNames(word: String, phase: CookieSigningPlan.Phase) throws {
    let plan = try topology(Self.text.replacing("signing: require", with: "signing: \(word)")).plan(for: "OP1")
    #expect(plan.applications[0].cookie?.signing?.phase == phase)
  }

  @Test func uncheckedCertificatesAreWarnedOf() throws {
    let (_, diagnostics) = TopologyLoader.load(text: Self.text, file: "tls.yaml")
    let warnings = diagnostics.filter { $0.message.hasPrefix("certificates are not checked") }
    #expect(warnings.map(\.location.line) == [29])
  }

  /// Somebody has begun to say who is let in, or how: nothing there must not let everybody in.
  @Test(arguments: [
    ("client-names: [OP1, \"*.offices.example\"]", "client-names:", "client-names of tls"),
    ("client-ca: ca.pem", "client-ca: ~", "client-ca of tls"),
    ("require: client-certificate", "require:", "require of tls"),
    ("hsts: {max-age: 365d, subdomains: true}", "hsts:", "hsts of listen"),
    ("\"127.0.0.1:8004\", tls: l.pem", "\"127.0.0.1:8004\", tls: ", "tls of listen"),
    ("tls: {name: w1.example, ca: w.pem}", "tls: {name: w1.example, ca: }", "ca of tls"),
    ("address: \"w2.example:9002\", tls: true", "address: \"w2.example:9002\", tls: null", "tls of server"),
    ("key-file: cookies.keys,", "key-file: ,", "key-file of cookies"),
  ])
  func whatBeginsToSecureSomethingIsNotEmpty(key: String, empty: String, place: String) throws {
    try #require(Self.text.contains(key))
    let text = Self.text.replacingOccurrences(of: key, with: empty)
    let (_, diagnostics) = TopologyLoader.load(text: text, file: "tls.yaml")
    let found = diagnostics.filter { $0.severity == .error && $0.message.hasSuffix("has no value") }
    #expect(found.map(\.mend) == ["write one, or remove the key"], "\(diagnostics)")
    #expect(found.first?.message.hasPrefix(place) == true, "\(diagnostics)")
  }
}
