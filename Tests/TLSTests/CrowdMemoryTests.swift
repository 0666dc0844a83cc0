import TLS
import Testing

/// When the memory of many connections that have ended goes back.
@Suite struct CrowdMemoryTests {
  /// How many are left each time that memory is given back while all of a crowd leave.
  private func given(_ count: Int, _ memory: inout CrowdMemory) -> [Int] {
    (0..<count).reversed().filter { memory.hasLeft($0) }
  }

  @Test func itGoesBackEachTimeThatHalfOfThemHaveLeft() {
    var memory = CrowdMemory()
    #expect(given(4_000, &memory) == [2_000, 1_000, 500, 250, 122])
    // The next one likewise.
    #expect(given(1_000, &memory) == [500, 250, 122])
  }

  @Test func whatIsLeftIsBounded() {
    for count in [128, 200, 255, 256, 257, 511, 10_000] {
      var memory = CrowdMemory()
      let last = given(count, &memory).last
      #expect(last != nil && last! < CrowdMemory.leftMin)
    }
  }

  @Test func fewThatComeAndGoAreLeftInPeace() {
    var memory = CrowdMemory()
    for _ in 0..<100 { #expect(given(CrowdMemory.leftMin - 1, &memory) == []) }
    // Nor many of whom few come and go, or less than half leave.
    let again = (0..<1_000).filter { _ in memory.hasLeft(5_000) }
    let gone = (2_600..<5_000).reversed().filter { memory.hasLeft($0) }
    #expect(again == [] && gone == [])
  }
}
