import Testing

@testable import DemoServer

@Suite struct CheckFilesTests {
  @Test func aFileIsRemovedAndMadeAgain() {
    var files = CheckFiles()
    #expect(files.take(method: "HEAD", path: "/running", isDirect: true) == .none)
    #expect(files.take(method: "PUT", path: "/running", isDirect: true) == .kept)
    #expect(files.take(method: "DELETE", path: "/running", isDirect: true) == .removed)
    #expect(files.take(method: "HEAD", path: "/running", isDirect: true) == .missing)
    #expect(files.take(method: "GET", path: "/running", isDirect: false) == .missing)
    #expect(files.take(method: "DELETE", path: "/running", isDirect: true) == .missing)
    // Each file is one of its own.
    #expect(files.take(method: "HEAD", path: "/check.txt", isDirect: true) == .none)
    #expect(files.take(method: "PUT", path: "/running", isDirect: true) == .made)
    #expect(files.take(method: "HEAD", path: "/running", isDirect: true) == .none)
  }

  @Test(arguments: ["PUT", "DELETE"]) func thePageThatUsersAskForIsNoFile(method: String) {
    var files = CheckFiles()
    #expect(files.take(method: method, path: "/", isDirect: true) == .refused)
    #expect(files.take(method: method, path: "/", isDirect: false) == .none)
    #expect(files.take(method: "GET", path: "/", isDirect: true) == .none)
  }

  @Test func whoCameThroughANodeRemovesAndMakesNothing() {
    var files = CheckFiles()
    #expect(files.take(method: "DELETE", path: "/running", isDirect: false) == .none)
    #expect(files.take(method: "GET", path: "/running", isDirect: true) == .none)
    #expect(files.take(method: "DELETE", path: "/running", isDirect: true) == .removed)
    #expect(files.take(method: "PUT", path: "/running", isDirect: false) == .missing)
    #expect(files.take(method: "GET", path: "/running", isDirect: true) == .missing)
  }
}
