"""What the demo is made of. People, schools and links are invented; domains are reserved for examples (RFC 2606)."""

from typing import NamedTuple


class School(NamedTuple):
    name: str
    city: str
    region: str
    cohort: str


COHORTS = ("Jakarta 2026", "Bandung 2026", "Makassar 2026")

SCHOOLS = (
    School("SD Cendana Raya", "Jakarta", "DKI Jakarta", COHORTS[0]),
    School("SMP Tunas Cakrawala", "Jakarta", "DKI Jakarta", COHORTS[0]),
    School("SMA Bina Nusa Pertiwi", "Depok", "Jawa Barat", COHORTS[0]),
    School("SMK Karya Digital Mandala", "Tangerang", "Banten", COHORTS[0]),
    School("SD Pelita Priangan", "Bandung", "Jawa Barat", COHORTS[1]),
    School("SMP Wira Parahyangan", "Cimahi", "Jawa Barat", COHORTS[1]),
    School("SMA Lembah Tangkuban", "Bandung", "Jawa Barat", COHORTS[1]),
    School("SMK Teknika Galunggung", "Tasikmalaya", "Jawa Barat", COHORTS[1]),
    School("SD Bahari Losari", "Makassar", "Sulawesi Selatan", COHORTS[2]),
    School("SMP Pinisi Harapan", "Makassar", "Sulawesi Selatan", COHORTS[2]),
    School("SMA Lontara Gemilang", "Maros", "Sulawesi Selatan", COHORTS[2]),
    School("SMK Samudra Bantimurung", "Gowa", "Sulawesi Selatan", COHORTS[2]),
)

_FIRST_NAMES = """
Adi Agus Ahmad Aisyah Andi Anisa Arif Asih Bagus Bambang Bayu Budi Cahya Citra Dedi Desi Dewi Dian Dimas Dina
Eka Eko Endang Fajar Farah Fitri Galih Gita Hadi Hana Hendra Ika Indah Intan Irfan Joko Kartika Kurnia Laila
Lestari Lina Made Maya Mega Nadia Nanda Ningsih Novi Nur Oki Putri Rahma Rani Ratna Reza Rina Rizky Sari Siti
Slamet Sri Taufik Tika Tri Umar Vina Wahyu Wayan Wulan Yanti Yoga Yulia Yusuf Zahra
"""
FIRST_NAMES = tuple(_FIRST_NAMES.split())

_LAST_NAMES = """
Anggraini Astuti Budiman Darmawan Fauzi Firmansyah Gunawan Halim Handayani Hapsari Harahap Hartono Hidayat
Iskandar Kartini Kurniawan Kusuma Lubis Maharani Mahendra Maulana Mulyadi Nasution Nugroho Nurhayati Pangestu
Permata Pratama Puspita Rahayu Rahman Ramadhan Rosmawati Safitri Salim Santoso Saputra Setiawan Siregar
Sulastri Suryani Susanti Syahputra Utami Wibowo Wicaksono Widodo Wijaya Yuliana
"""
LAST_NAMES = tuple(_LAST_NAMES.split())

STAFF_NAMES = (
    ("user_demo_reviewer_1", "Retno Palupi", "REVIEWER"),
    ("user_demo_reviewer_2", "Haris Munandar", "REVIEWER"),
    ("user_demo_reviewer_3", "Ni Luh Sukmawati", "REVIEWER"),
    ("user_demo_reviewer_4", "Daeng Mattata", "REVIEWER"),
    ("user_demo_admin", "Sekar Ayuningtyas", "ADMIN"),
    ("user_demo_superadmin", "Prabu Adiwangsa", "SUPERADMIN"),
)

COURSES = (
    ("Microsoft Learn", "Dasar-dasar AI untuk Pendidik"),
    ("Microsoft Learn", "AI Generatif di Ruang Kelas"),
    ("Elevate Academy", "Berpikir Kritis bersama AI"),
    ("Elevate Academy", "Merancang Soal dengan Bantuan AI"),
)

TOPICS = (
    "pecahan",
    "siklus air",
    "teks prosedur",
    "sejarah kerajaan Gowa",
    "hukum Newton",
    "pemanasan global",
    "puisi daerah",
    "jaringan komputer",
    "kewirausahaan",
    "sistem pencernaan",
)

REFLECTION_STARTS = (
    "Pada pelajaran {topic} saya meminta siswa menyusun pertanyaan untuk asisten AI sebelum membuka buku.",
    "Saya memakai AI untuk menyiapkan tiga tingkat soal {topic}, lalu siswa memilih tingkatnya sendiri.",
    "Kami membandingkan jawaban AI tentang {topic} dengan buku paket dan menandai bagian yang keliru.",
    "Siswa membuat ringkasan {topic} dengan bantuan AI, kemudian menjelaskannya kembali dengan kata mereka sendiri.",
)

REFLECTION_MIDDLES = (
    "Awalnya beberapa siswa menyalin jawaban begitu saja, sehingga kami berhenti dan membahas cara memeriksa sumber.",
    "Siswa yang biasanya diam justru paling aktif karena dapat bertanya tanpa takut salah.",
    "Waktu persiapan saya berkurang hampir separuh dan saya punya waktu untuk mendampingi kelompok kecil.",
    "Koneksi internet sempat terputus, jadi kami bekerja berkelompok dengan satu gawai.",
)

REFLECTION_ENDS = (
    "Minggu depan saya akan menambahkan rubrik agar siswa dapat menilai mutu pertanyaannya sendiri.",
    "Saya belajar bahwa pertanyaan yang jelas lebih penting daripada alat yang canggih.",
    "Rekan guru di kelas sebelah ingin mencoba cara yang sama bulan ini.",
    "Hasil kuis akhir naik, tetapi yang lebih penting siswa kini berani meragukan jawaban mesin.",
)

SESSION_TITLES = (
    "Mengenal AI untuk guru mata pelajaran",
    "Menyusun modul ajar bersama AI",
    "Etika dan keamanan data siswa",
    "Lokakarya membuat soal dengan AI",
    "Kelas terbuka: literasi AI untuk siswa",
)

VENUES = ("Aula sekolah", "Laboratorium komputer", "Ruang guru", "Perpustakaan", "Balai desa")

CAPTIONS = (
    "Bulan ini kelas saya belajar meragukan jawaban mesin, dan saya belajar bertanya lebih baik.",
    "Dari satu percobaan kecil menjadi kebiasaan: catatan saya setelah sebulan mengajar dengan AI.",
    "Tiga hal yang tidak saya duga ketika siswa SMP pertama kali berdiskusi dengan AI.",
)

IDEAS = (
    ("Bank soal terbuka antarsekolah", "Guru satu gugus berbagi soal yang dibuat dengan AI dan ditinjau bersama."),
    ("Klub detektif hoaks", "Siswa memeriksa kabar yang beredar di desa dengan bantuan AI dan menerbitkan hasilnya."),
    ("Kamus bahasa daerah", "Siswa merekam kata dari kakek dan nenek, lalu AI membantu menyusunnya menjadi kamus."),
    ("Pendamping belajar luring", "Model kecil di laptop sekolah untuk daerah tanpa sinyal yang stabil."),
)

REJECTION_NOTES = (
    "Tautan sertifikat tidak dapat dibuka, mohon kirim ulang dengan tautan yang dapat diakses.",
    "Tanggal kegiatan tidak cocok dengan bukti, mohon diperbaiki.",
    "Refleksi belum menjelaskan apa yang dilakukan siswa, mohon dilengkapi.",
    "Unggahan ini tampaknya milik rekan lain, mohon kirim karya sendiri.",
)

APPROVAL_NOTES = (None, None, None, "Terima kasih, bukti lengkap.", "Bagus, lanjutkan!")

REVOKE_REASONS = (
    "Sertifikat ternyata milik orang lain.",
    "Sesi yang sama dilaporkan dua kali.",
    "Peserta menyatakan kegiatan tidak pernah terlaksana.",
)

AWARD_REASONS = (
    "Daftar hadir menunjukkan jumlah peserta yang sedikit berbeda.",
    "Sebagian sesi dipimpin rekan lain.",
)

ADJUSTMENTS = (
    ("SHINE", 10, "Menjadi pembicara pada temu alumni."),
    ("SHINE", 15, "Ide dipilih untuk dipresentasikan di tingkat provinsi."),
    ("AMPLIFY", 6, "Tiga peserta tertinggal dalam laporan, daftar hadir diterima kemudian."),
    ("AMPLIFY", -4, "Dua peserta terhitung dua kali."),
)
