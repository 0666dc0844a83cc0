import Testing

@testable import Proxy

/// Rule E1: what a monitor's answer carries.
@Suite struct HealthStatementTests {
  static let statements = [
    HealthStatement(admit: true, alive: true, deadline: nil, digest: nil),
    HealthStatement(admit: false, alive: true, deadline: 1_790_000_000, digest: "0123456789abcdef"),
    HealthStatement(admit: false, alive: false, deadline: nil, digest: "00"),
    HealthStatement(admit: false, alive: false, deadline: nil, digest: "00", serves: true),
  ]

  @Test("E1: what is written is read back", arguments: statements)
  func roundTrip(statement: HealthStatement) { #expect(HealthStatement(parsing: statement.text) == statement) }

  static let texts: [(text: String, admit: Bool, alive: Bool, deadline: Int64?, digest: String?)] = [
    ("", true, true, nil, nil),
    ("admit=?0", false, true, nil, nil),
    ("admit=?0,alive=?0", false, false, nil, nil),
    ("  admit = ?1 ,  alive=?0 ", true, false, nil, nil),
    ("admit, alive", true, true, nil, nil),
    ("future=7, alive=?0, other=\"x\"", true, false, nil, nil),
    ("deadline=soon, digest=\"ab\"", true, true, nil, "ab"),
    ("admit=?0, admit=?1", true, true, nil, nil),
    (",,=,==?0", true, true, nil, nil),
  ]

  @Test("E1: members that are not known or make no sense are passed over", arguments: texts)
  func reading(_ test: (text: String, admit: Bool, alive: Bool, deadline: Int64?, digest: String?)) {
    let statement = HealthStatement(parsing: test.text)
    #expect(statement.admit == test.admit && statement.alive == test.alive)
    #expect(statement.deadline == test.deadline && statement.digest == test.digest)
  }
}
