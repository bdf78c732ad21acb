run --mmu hard whiteboard.scn
run --nonsense whiteboard.scn
run --mmu soft --fs ext2@v12 whiteboard.scn
run --mmu soft --fs 'ext2@v11 null' whiteboard.scn
run --mmu soft --schedule 'store@nowhere shrink' whiteboard.scn
run --mmu soft --schedule 'sotre shrink' whiteboard.scn
run --mmu soft --schedule '' whiteboard.scn
rum whiteboard.scn
