run --mmu soft wrong-results
