import Testing
import Topology
import TopologyFile

/// Users listed one by one.
@Suite("Population files")
struct PopulationLoaderTests {
  private static let network = """
    geodirector: 1
    applications:
      - {name: shop, cookies: {site: SITE, session: {name: JSESSIONID, mode: prefix}}}
      - {name: mail, hosts: [mail.example], cookies: {session: {name: BOX, mode: insert}}}
    sites:
      - name: HOME
        cookie: H
        directors: [{name: D, listen: "127.1.1.1:8080"}]
        balancers: [{name: L, listen: "127.1.1.11:8080"}]
        servers:
          - {name: W1, host: 127.1.2.1, ports: {shop: 8080, mail: 8082}}
          - {name: W2, host: 127.1.2.2, ports: {shop: 8080, mail: 8082}}
    offices: [{name: OFFICE, listen: "127.0.1.1:8080"}]
    """

  private func load(_ text: String) throws -> (UserRoll?, [String]) {
    let topology = try #require(TopologyLoader.load(text: Self.network, file: "network.yaml").topology)
    let (roll, diagnostics) = PopulationLoader.load(text: text, file: "users.yaml", for: topology)
    return (roll, diagnostics.map { String($0.description.dropFirst("users.yaml:".count)) })
  }

  @Test func aUserHasAnEntryCookiesAndTimes() throws {
    let (roll, findings) = try load(
      """
      population: 1
      users:
        - name: anna
          entry: OFFICE
          cookies: "theme=dark; SITE=H; SITE=OLD; JSESSIONID=W2~a~b"
          requests: [0s, 250ms, {at: 1.5s, method: POST}, {at: 2s, parallel: 6}]
        - {name: ben, entry: HOME, requests: 1s}
        - {name: cleo, entry: OFFICE, application: mail, cookies: BOX=W1, requests: []}
      """)
    #expect(findings == [])
    let users = try #require(roll).users
    #expect(users.map(\.name) == ["anna", "ben", "cleo"])
    #expect(users[0].site == 0 && users[0].server == "W2" && users[0].session == "a~b")
    #expect(
      users[0].pages == [
        .init(atNanoseconds: 0), .init(atNanoseconds: 250_000_000), .init(atNanoseconds: 1_500_000_000, isPost: true),
        .init(atNanoseconds: 2_000_000_000, parallel: 6),
      ])
    #expect(users[1].entry == "HOME" && users[1].server == nil && users[1].pages.count == 1)
    #expect(users[2].application == 1 && users[2].server == "W1" && users[2].session == nil)
  }

  @Test func aUserMayHaveAnAddress() throws {
    let (roll, findings) = try load(
      """
      population: 1
      users:
        - {name: anna, entry: OFFICE, client: 198.51.100.7, requests: [0s]}
        - {name: ben, entry: OFFICE, client: "2001:db8::7", requests: [0s]}
        - {name: cleo, entry: OFFICE, requests: [0s]}
      """)
    #expect(findings == [])
    #expect(
      roll?.users.map { $0.client?.description } == ["198.51.100.7/32", "2001:db8::7/128", nil])
    let (_, errors) = try load(
      "population: 1\nusers: [{name: anna, entry: OFFICE, client: 10.0.0.0/8, requests: [0s]}]")
    #expect(errors == ["2:45: error: client: \"10.0.0.0/8\" is not an IPv4 or IPv6 address"])
  }

  @Test func jsonIsReadToo() throws {
    let (roll, findings) = try load(
      #"{"population": 1, "users": [{"name": "anna", "entry": "OFFICE", "requests": ["5s", {"at": "6s"}]}]}"#)
    #expect(findings == [])
    #expect(roll?.users.first?.pages.map(\.atNanoseconds) == [5_000_000_000, 6_000_000_000])
  }

  @Test func everythingWrongIsFoundInOneRun() throws {
    let (roll, findings) = try load(
      """
      population: 1
      users:
        - {name: anna, entry: OFICE, requests: [1s, 500ms]}
        - {name: anna, entry: OFFICE, cookies: "SITE=HOM; JSESSIONID=W1", requests: [5]}
        - {entry: OFFICE, cookie: x, requests: [{method: PUT, parallel: 17}]}
        - {name: dora, cookies: "JSESSIONID=W3~1", application: shopp}
      """)
    #expect(roll == nil)
    #expect(
      findings == [
        "3:25: error: no office or site is named \"OFICE\"; did you mean \"OFFICE\"?",
        "3:47: error: requests are not in order of time; put the earlier first",
        "4:5: error: user \"anna\" stands twice; give each user a name",
        "4:42: error: cookies: no site has the value \"HOM\"; there are: H",
        "4:42: error: cookies: \"W1\" names no server and session; write \"JSESSIONID=SERVER~ID\"",
        "4:80: error: requests: duration \"5\" has no unit; write \"5s\" or \"5ms\"",
        "5:5: error: user has no name; add \"name: anna\"",
        "5:21: error: unknown key \"cookie\" in user; did you mean \"cookies\"?",
        "5:43: error: request does not say when; add \"at: 5s\"",
        "5:52: error: method: unknown value \"PUT\"; values: GET, HEAD, POST",
        "5:67: error: parallel: 17 is out of range; 1 to 16",
        "6:5: error: user has no entry; add \"entry:\" with an office, or the site of a local user",
        "6:5: error: user has no requests; add \"requests: [0s, 5s]\"",
        "6:27: error: cookies: no server has the value \"W3\"; did you mean \"W1\"?",
        "6:59: error: no application is named \"shopp\"; did you mean \"shop\"?",
      ])
  }

  @Test(arguments: [
    ("", "1:1: error: the file is empty; begin with \"population: 1\""),
    (
      "population: 2\nusers: [{name: a, entry: HOME, requests: 0}]",
      "1:13: error: population: 2 is out of range; 1 to 1"
    ),
    (
      "population: 1",
      "1:1: error: population has no users; add \"users:\" and a list of {name, entry, cookies, requests}"
    ),
  ])
  func aFileThatIsNoPopulationIsTold(text: String, finding: String) throws {
    #expect(try load(text).1 == [finding])
  }

  @Test func aMissingFileIsTold() throws {
    let topology = try #require(TopologyLoader.load(text: Self.network, file: "network.yaml").topology)
    let (roll, findings) = PopulationLoader.load("/nowhere/users.yaml", for: topology)
    #expect(roll == nil && findings.map(\.message) == ["no such file: \"/nowhere/users.yaml\""])
  }
}
