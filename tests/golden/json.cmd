run --mmu soft --json --fs 'ext2@v11 expect bug leak-past-eof' --fs 'ext2@v11 -b2' whiteboard.scn
run --mmu soft --json wrong-results/errno.scn
run --mmu soft --json file-closed.scn
