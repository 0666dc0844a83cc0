import Foundation
import TLS
import Testing
import Topology

/// What `topology check` looks for in files.
@Suite struct DoubtTests {
  @Test func keysThatEverybodyCanReadAreTold() throws {
    let workshop = try Workshop()
    let plan = try workshop.issue("1.pem", hosts: ["shop.example"])
    #expect(CertificateValidity.warnings([plan], now: workshop.now).isEmpty)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: plan.path)
    #expect(CertificateValidity.warnings([plan], now: workshop.now) == [.readableKey(path: plan.path)])
  }

  @Test func otherSecretsThatEverybodyCanReadAreTold() throws {
    let workshop = try Workshop()
    let own = try workshop.write("own.keys", "x")
    let open = try workshop.write("open.keys", "x", mode: 0o644)
    let found = CertificateValidity.warnings(secrets: [own, open, "/nowhere/at/all"])
    #expect(found == [.readableSecret(path: open)])
    #expect("\(found[0])".contains("chmod 600 \(open)"))
  }

  @Test(arguments: [
    ("shop.example", true), ("SHOP.example", true), ("a.mail.example", true), ("*.mail.example", true),
    ("b.a.mail.example", false), ("mail.example", false), ("*.shop.example", false), ("example", false),
  ])
  func aNameIsCoveredByItselfOrByAWildcardForOneLabel(name: String, isCovered: Bool) throws {
    let workshop = try Workshop()
    let plans = try [
      workshop.issue("1.pem", hosts: ["shop.example"]), workshop.issue("2.pem", hosts: ["*.mail.example"]),
    ]
    #expect(CertificateValidity.uncovered([name], by: plans, now: workshop.now) == (isCovered ? [] : [name]))
  }

  @Test func nothingIsSaidOfFilesThatAreNotThere() throws {
    let workshop = try Workshop()
    let plans = [try workshop.issue("1.pem", hosts: ["shop.example"]), CertificatePlan(path: "/nowhere/at/all.pem")]
    #expect(CertificateValidity.uncovered(["other.example"], by: plans, now: workshop.now).isEmpty)
    #expect(CertificateValidity.warnings(plans, now: workshop.now).isEmpty)
  }
}
